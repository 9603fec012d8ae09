import type { Bandwidth } from './bandwidth.js';
import { Failure } from './errors.js';
import { parseSize } from './size.js';

/** The bandwidth that a mount may use. */
export interface Line {
  readonly upload: Bandwidth;
  readonly download: Bandwidth;
}

const FORM = /^([^@]+)(?:@([01]?\d|2[0-3]):([0-5]\d))?$/;

/**
 * Parses `RATE[@HH:MM][/RATE@HH:MM]…`: bytes per second from these times of day on, by this machine's clock. The rate
 * without a time holds before the first time. `RATE` is a size, `off`, or two of these: `UPLOAD:DOWNLOAD`.
 * @throws Failure `usage`
 */
export function parseBandwidth(text: string): Line {
  const bad = (part: string): Failure =>
    new Failure('usage', {
      what: `bandwidth=${text}: "${part}" is not a rate such as 2M, 500K:2M or off, with a time such as 2M@07:30`,
    });
  const rate = (word: string, part: string): number => {
    const bytes = word === 'off' ? 0 : parseSize(word);
    if (bytes === undefined || (bytes === 0 && word !== 'off')) throw bad(part);
    return bytes;
  };
  const parts = text.split('/').map((part) => {
    const [, rates = '', hours, minutes] = FORM.exec(part) ?? [];
    const words = rates.split(':');
    if (rates === '' || words.length > 2) throw bad(part);
    const time = hours === undefined ? undefined : { hr: Number(hours), min: Number(minutes), sec: 0, ms: 0 };
    return { time, upload: rate(words[0]!, part), download: rate(words.at(-1)!, part) };
  });
  if (parts.filter(({ time }) => !time).length > 1) throw bad(parts.length > 1 ? text : parts.join('/'));
  const of = (direction: 'upload' | 'download'): Bandwidth => ({
    bytes_per_second: parts.find(({ time }) => !time)?.[direction],
    window: parts.flatMap((part) => (part.time ? [{ time: part.time, bytes_per_second: part[direction] }] : [])),
  });
  return { upload: of('upload'), download: of('download') };
}

/** The bandwidth that the options permit; undefined: unlimited. */
export const lineOf = ({ bandwidth }: { readonly bandwidth?: string | number | boolean }): Line | undefined =>
  bandwidth === undefined ? undefined : parseBandwidth(String(bandwidth));
