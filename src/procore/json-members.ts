/**
 * Reads the members of a large JSON object (RFC 8259) a few at a time, so that neither the text nor its values are in
 * memory as a whole. Values are parsed by `JSON.parse`.
 */

/** Byte range of a value in the text, end excluded. */
export interface ValueSpan {
  readonly start: number;
  readonly end: number;
}

export interface Members {
  /** The requested members, unparsed; of duplicate names the last one. */
  readonly spans: ReadonlyMap<string, ValueSpan>;
  /** An object with the other members. */
  readonly others: unknown;
}

/** Bytes of rows parsed at once. */
const BATCH_BYTES = 64 * 1024;
/**
 * Maximum bytes of one row, and of everything that is no row: while being parsed, values take many times the memory of
 * their text.
 */
const MOST_BYTES = 4 * 1024 * 1024;
/** Maximum values of a text that is parsed as a whole: a page of 2,000 rows has about 80,000. */
const MOST_VALUES = 1_000_000;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/** @throws SyntaxError where the text is not an object, or is truncated */
export function members(text: Uint8Array, apart: readonly string[]): Members {
  const spans = new Map<string, ValueSpan>();
  const others: string[] = [];
  let beside = 0;
  let at = expect(text, blank(text, 0), OPEN_OBJECT);
  for (let isFirst = true; ; isFirst = false) {
    at = blank(text, at);
    if (isFirst && text[at] === CLOSE_OBJECT) break;
    const name = { start: at, end: afterString(text, at) };
    const start = blank(text, expect(text, blank(text, name.end), COLON));
    const span = { start, end: afterValue(text, start) };
    const key = JSON.parse(textOf(text, name)) as string;
    beside += apart.includes(key) ? 0 : span.end - name.start;
    if (beside > MOST_BYTES) throw new SyntaxError('the text is too large');
    if (apart.includes(key)) spans.set(key, span);
    else others.push(`${textOf(text, name)}:${textOf(text, span)}`);
    at = blank(text, span.end);
    if (text[at] === CLOSE_OBJECT) break;
    at = expect(text, at, COMMA);
  }
  if (blank(text, at + 1) < text.length) throw unexpected(text, at + 1);
  return { spans, others: JSON.parse(`{${others.join(',')}}`) };
}

/**
 * The values of an array, parsed in batches; none where the member is missing or no array.
 * @throws SyntaxError
 */
export function* rows(text: Uint8Array, array: ValueSpan | undefined): Generator<readonly unknown[]> {
  if (array === undefined || text[array.start] !== OPEN_ARRAY) return;
  let at = blank(text, array.start + 1);
  if (text[at] === CLOSE_ARRAY) return;
  for (let start = at; ; ) {
    const end = afterValue(text, at);
    if (end - at > MOST_BYTES) throw new SyntaxError('a row is too large');
    at = blank(text, end);
    const isLast = text[at] === CLOSE_ARRAY;
    if (!isLast) at = blank(text, expect(text, at, COMMA));
    if (!isLast && end - start < BATCH_BYTES) continue;
    yield JSON.parse(`[${textOf(text, { start, end })}]`) as unknown[];
    if (isLast) return;
    start = at;
  }
}

/** Parses a text as a whole. @throws SyntaxError, also for a text with more values than any reply has */
export function whole(text: Uint8Array): unknown {
  let values = 0;
  if (text.length > MOST_VALUES)
    for (const byte of text)
      if ((byte === COMMA || byte === OPEN_ARRAY || byte === OPEN_OBJECT) && ++values > MOST_VALUES)
        throw new SyntaxError('the text has too many values');
  return JSON.parse(textOf(text, { start: 0, end: text.length }));
}

const textOf = (text: Uint8Array, { start, end }: ValueSpan): string =>
  Buffer.from(text.buffer, text.byteOffset + start, end - start).toString('utf8');

function blank(text: Uint8Array, from: number): number {
  let at = from;
  for (let byte = text[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) byte = text[++at];
  return at;
}

function expect(text: Uint8Array, at: number, byte: number): number {
  if (text[at] !== byte) throw unexpected(text, at);
  return at + 1;
}

const unexpected = (text: Uint8Array, at: number): SyntaxError =>
  new SyntaxError(at < text.length ? `unexpected byte at ${at}` : 'the text breaks off');

function afterString(text: Uint8Array, from: number): number {
  let at = expect(text, from, QUOTE);
  while (text[at] !== QUOTE) {
    if (at >= text.length) throw unexpected(text, at);
    at += text[at] === BACKSLASH ? 2 : 1;
  }
  return at + 1;
}

function afterValue(text: Uint8Array, from: number): number {
  let at = from;
  for (let depth = 0; ; ) {
    const byte = text[at];
    if (byte === QUOTE) at = afterString(text, at);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth++;
      at++;
      continue;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      if (--depth < 0) throw unexpected(text, at);
      at++;
    } else if (depth > 0 && byte !== undefined) {
      at++;
      continue;
    } else at = afterScalar(text, at);
    if (depth === 0) return at;
  }
}

function afterScalar(text: Uint8Array, from: number): number {
  let at = from;
  for (let byte = text[at]; byte !== undefined && byte > 0x20; byte = text[++at])
    if (byte === COMMA || byte === COLON || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) break;
  if (at === from) throw unexpected(text, at);
  return at;
}
