import * as z from 'zod';

/** A value of a query: `x=1&x=2` gives a list. */
export type QueryValue = string | readonly string[] | undefined;

const last = (value: unknown): unknown => (Array.isArray(value) ? value.at(-1) : value);

/** `true|false`, `1|0`. */
export const flag = z.preprocess(
  (value) => {
    const text = last(value);
    if (text === '1' || text === 'true' || text === 1) return true;
    if (text === '0' || text === 'false' || text === 0) return false;
    return text;
  },
  z.boolean({ error: 'is neither true, false, 1 nor 0' }),
);

export const word = z.preprocess(last, z.string().max(1000));

/** Maximum characters of a path, or of an id that is a path. */
export const MOST_OF_A_PATH = 64_000;
export const path = z.preprocess(last, z.string().max(MOST_OF_A_PATH));

/** Ids may be numbers or strings. */
export const id = z.preprocess((value) => {
  const one = last(value);
  return typeof one === 'number' ? String(one) : one;
}, z.string().min(1).max(200));

export const wordOf = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.preprocess(last, z.enum(words));

/** One or several values, repeated or separated by commas. */
export const words = z.preprocess(
  (value) =>
    (Array.isArray(value) ? value : [value])
      .flatMap((text) => (typeof text === 'string' ? text.split(',') : [text]))
      .map((text) => (typeof text === 'string' ? text.trim() : text))
      .filter((text) => text !== ''),
  z.array(z.string().max(200)).max(100),
);

const whole = (most: number) =>
  z.preprocess(
    (value) => {
      const text = last(value);
      return typeof text === 'string' && /^\d{1,12}$/.test(text) ? Number(text) : text;
    },
    z.number({ error: 'is no whole number' }).int().min(0).max(most),
  );

export const MOST_ROWS = 1000;

/** Parameters of every call. */
export const common = { fields: words.optional() } as const;

/** Parameters of every list. */
export const paging = {
  ...common,
  offset: whole(1e9).default(0),
  limit: whole(MOST_ROWS).default(20),
  q: word.optional(),
} as const;

/** Shown instead of a value that may hold a secret: sent back, it leaves the value unchanged. */
export const HIDDEN_VALUE = '[hidden]';

/** Times in replies: Unix seconds. */
export const seconds = (ms: number): number => Math.floor(ms / 1000);

/** A duration in replies. */
export const milliseconds = (value: number) => ({ value, unit: 'ms' as const });
