import { fieldError } from '../http/reply.js';
import type { Switches } from '../switches.js';
import { wholeNumber } from './filters.js';

export interface Page {
  readonly number: number;
  readonly size: number;
  /** Index of the first row of the page; `end` is after the last row. */
  readonly start: number;
  readonly end: number;
  readonly headers: Record<string, string>;
}

/** Reads `page` and `per_page`, and makes the paging headers; throws a 400 for malformed values. */
export function readPage(url: URL, total: number, switches: Switches, defaults?: { size: number; most: number }): Page {
  const most = defaults?.most ?? switches.number('per-page-most');
  const fallback = defaults?.size ?? switches.number('default-per-page');
  const number = positive(url, 'page', 1);
  let size = positive(url, 'per_page', fallback);
  if (size > most) {
    if (switches.is('per-page-beyond', '400')) throw fieldError(400, 'per_page', `must be at most ${most}`);
    size = most;
  }
  const last = Math.max(1, Math.ceil(total / size));
  const links = [
    ['first', 1, true],
    ['prev', number - 1, number > 1],
    ['next', number + 1, number < last],
    ['last', last, true],
  ] as const;
  const link = (page: number) => {
    const target = new URL(url);
    target.searchParams.set('page', String(page));
    target.searchParams.set('per_page', String(size));
    return target.href;
  };
  const headers: Record<string, string> = { 'Per-Page': String(size) };
  if (switches.is('total-header', 'yes')) headers.Total = String(total);
  if (switches.is('link-header', 'yes')) {
    headers.Link = links.flatMap(([rel, page, is]) => (is ? [`<${link(page)}>; rel="${rel}"`] : [])).join(', ');
  }
  return { number, size, start: (number - 1) * size, end: number * size, headers };
}

function positive(url: URL, name: string, fallback: number): number {
  const text = url.searchParams.get(name);
  const value = text === null ? fallback : wholeNumber(name, text);
  if (value < 1) throw fieldError(400, name, 'must be greater than 0');
  return value;
}
