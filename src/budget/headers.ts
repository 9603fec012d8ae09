import type { IncomingHttpHeaders } from 'node:http';

/** Rate limits in the headers of a reply. Times are seconds since the epoch by the server's clock. */
export interface RateHeaders {
  /** The server's `Date`. */
  readonly date: number | undefined;
  /** The three describe the window with the fewest calls left; undefined unless all are present. */
  readonly window: { readonly limit: number; readonly remaining: number; readonly reset: number } | undefined;
  /** Seconds, from `Retry-After` in either of its forms. */
  readonly retryAfter: number | undefined;
}

/** Parses `Date`, `X-Rate-Limit-Limit|Remaining|Reset` and `Retry-After`; invalid values count as missing. */
export function rateHeaders(headers: IncomingHttpHeaders): RateHeaders {
  const parsed = Date.parse(String(headers.date ?? ''));
  const date = Number.isNaN(parsed) ? undefined : parsed / 1000;
  const limit = number(headers['x-rate-limit-limit']);
  const remaining = number(headers['x-rate-limit-remaining']);
  const reset = number(headers['x-rate-limit-reset']);
  const complete = limit !== undefined && remaining !== undefined && reset !== undefined && limit > 0;
  return { date, window: complete ? { limit, remaining, reset } : undefined, retryAfter: retryAfter(headers, date) };
}

function number(value: string | string[] | undefined): number | undefined {
  const text = Array.isArray(value) ? value[0] : value;
  return text !== undefined && /^\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function retryAfter(headers: IncomingHttpHeaders, date: number | undefined): number | undefined {
  const seconds = number(headers['retry-after']);
  if (seconds !== undefined) return seconds;
  const at = Date.parse(String(headers['retry-after'] ?? ''));
  return Number.isNaN(at) || date === undefined ? undefined : Math.max(0, at / 1000 - date);
}
