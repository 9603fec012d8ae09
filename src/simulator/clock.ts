/** The server's time, which a fault can shift against this machine's. */
export class ServerClock {
  /** Milliseconds that the server is ahead of this machine. */
  offset = 0;

  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now() + this.offset;
  }

  /** Whole seconds since the epoch, as the API's time stamps have them. */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }
}

/** `2026-01-31T12:00:00Z` from seconds since the epoch. */
export const timestamp = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
