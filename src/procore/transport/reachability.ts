import { connect } from 'node:net';
import { abortable } from '../../base/abort.js';
import { pauseAfter } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { errnoOf, Failure } from '../../base/errors.js';

/** Errors that occur before a byte is sent: the server cannot have processed the request. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Whether a request failed before any byte of it left. */
export const wasNotSent = (error: unknown): boolean => NOT_SENT.has(errnoOf(error) ?? '');

/** Milliseconds between two connection attempts, and the time limit of one. */
const LOOK_AGAIN = { first: 500, longest: 5000 };
const CHECK_INTERVAL_MS = 5000;

/**
 * Records which hosts are unreachable. After one failure, other callers fail at once instead of each waiting for the
 * network. Meanwhile connection attempts test whether the host accepts connections again; they are no API calls.
 */
export class Reachability {
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  /** By origin: the failure, and a promise that resolves when the host answers again. */
  readonly #down = new Map<string, { readonly cause: unknown; readonly again: Promise<void> }>();
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws Failure `unreachable` while the host is known to be unreachable */
  check(origin: string): void {
    const down = this.#down.get(origin);
    if (down) throw new Failure('unreachable', { host: new URL(origin).host }, down.cause);
  }

  /** A request could not be sent. */
  failed(origin: string, cause: unknown): void {
    if (this.#down.has(origin) || this.#closed.signal.aborted) return;
    this.#down.set(origin, { cause, again: this.#watch(new URL(origin)) });
  }

  /** Calls `listener` whenever a host accepts connections again. @returns a function that ends that */
  onUp(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves at once unless the host is known to be unreachable; else when it answers, or when this is closed. */
  async again(origin: string, signal: AbortSignal): Promise<void> {
    await abortable(this.#down.get(origin)?.again ?? Promise.resolve(), signal).catch(() => undefined);
  }

  close(): void {
    this.#closed.abort(new Failure('interrupted'));
  }

  async #watch(url: URL): Promise<void> {
    const { signal } = this.#closed;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await this.#clock.sleep(pauseAfter(failures, LOOK_AGAIN), signal);
      } catch {
        return;
      }
      if (!(await takesConnections(url, signal))) continue;
      this.#down.delete(url.origin);
      for (const listener of this.#listeners) listener();
      return;
    }
  }
}

function takesConnections(url: URL, signal: AbortSignal): Promise<boolean> {
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port, timeout: CHECK_INTERVAL_MS });
    const done = (found: boolean): void => {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      resolve(found);
    };
    const stop = (): void => done(false);
    signal.addEventListener('abort', stop, { once: true });
    socket.once('connect', () => done(true));
    socket.once('timeout', () => done(false));
    socket.once('error', () => done(false));
  });
}
