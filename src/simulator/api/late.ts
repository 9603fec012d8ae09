import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { readBody } from '../http/body.js';
import { ApiError, type RouteReply } from '../http/reply.js';

/** Calls whose client timed out or got an error, and which are still to be performed. */
export class LateWork {
  readonly #waiting = new Set<() => Promise<number>>();
  readonly #failed: (error: unknown) => void;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** Reads the body of a call and performs the call after `ms` milliseconds; undefined: at `finish`. */
  async take(
    request: IncomingMessage,
    work: (request: IncomingMessage) => Promise<RouteReply>,
    ms: number | undefined,
  ): Promise<void> {
    const body = await readBody(request);
    const { headers, method, url } = request;
    const again = Object.assign(Readable.from([body]), { headers, method, url }) as unknown as IncomingMessage;
    const one = (): Promise<number> => {
      this.#waiting.delete(one);
      return statusOf(() => work(again));
    };
    this.#waiting.add(one);
    if (ms === undefined) return;
    const timer = setTimeout(() => {
      if (this.#waiting.has(one)) one().catch(this.#failed);
    }, ms);
    timer.unref();
  }

  /** Performs the oldest `most` calls now; default: all. Resolves with the HTTP status of each. */
  async finish(most = Number.POSITIVE_INFINITY): Promise<number[]> {
    const done: number[] = [];
    for (const one of this.#waiting) {
      if (done.length >= most) break;
      done.push(await one());
    }
    return done;
  }

  /** Discards the pending calls. */
  forget(): void {
    this.#waiting.clear();
  }
}

async function statusOf(work: () => Promise<RouteReply>): Promise<number> {
  try {
    return (await work()).status;
  } catch (error) {
    if (error instanceof ApiError) return error.status;
    throw error;
  }
}
