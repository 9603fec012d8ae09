/** The server's clock; a fault can shift it relative to the clock of this machine. */
export class ServerClock {
  /** Milliseconds that the server is ahead of this machine. */
  offset = 0;

  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now() + this.offset;
  }

  /** Whole seconds since the epoch, as in the API's time stamps. */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }
}

const DAY = 86_400;
const MOST_DAYS = 10_000;
const days = new Map<number, string>();
const twoDigits = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'));

/** `2026-01-31T12:00:00Z` from seconds since the epoch. Days are cached: an index page has thousands of time stamps. */
export function timestamp(seconds: number): string {
  const day = Math.floor(seconds / DAY);
  let date = days.get(day);
  if (date === undefined) {
    date = new Date(day * DAY * 1000).toISOString().slice(0, 11);
    if (days.size >= MOST_DAYS) days.clear();
    days.set(day, date);
  }
  const rest = seconds - day * DAY;
  const minutes = Math.floor(rest / 60);
  return `${date}${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}:${twoDigits[rest % 60]}Z`;
}
