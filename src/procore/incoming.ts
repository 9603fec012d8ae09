import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

/** A reply whose head has arrived. */
export interface Incoming {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingBody;
}

/** Bytes that may be buffered before the connection is paused. */
const ENOUGH_BYTES = 256 * 1024;

/**
 * Sends a request; settles with the reply's head. The body is passed on as the socket delivers it, without a stream in
 * between, which would join and copy the chunks of a fast connection. The signal aborts the request, and later the
 * body, with its reason.
 */
export function receiveFrom(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal | undefined,
): Promise<Incoming> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    let controller: Dispatcher.DispatchController | undefined;
    let body: IncomingBody | undefined;
    const abort = (): void => controller?.abort(asError(signal?.reason));
    const over = (): void => signal?.removeEventListener('abort', abort);
    signal?.addEventListener('abort', abort, { once: true });
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(started) {
        controller = started;
        if (signal?.aborted) abort();
      },
      onResponseStart(started, statusCode, headers) {
        if (statusCode < 200) return;
        body = new IncomingBody(started);
        resolve({ statusCode, headers, body });
      },
      onResponseData(_, chunk) {
        body?.push(chunk);
      },
      onResponseEnd() {
        over();
        body?.end(undefined);
      },
      onResponseError(_, error) {
        over();
        const reason = signal?.aborted ? signal.reason : error;
        if (body) body.end(reason);
        else reject(reason);
      },
    };
    try {
      dispatcher.dispatch(options, handler);
    } catch (error) {
      over();
      reject(error);
    }
  });
}

/** The bytes of a reply, which can be read once. Leaving the loop early closes the connection. */
export class IncomingBody implements AsyncIterableIterator<Uint8Array> {
  readonly #controller: Dispatcher.DispatchController;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #over = false;
  #error: unknown;
  #waiting: { resolve(result: IteratorResult<Uint8Array>): void; reject(error: unknown): void } | undefined;

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller;
  }

  push(chunk: Uint8Array): void {
    const waiting = this.#waiting;
    if (waiting) {
      this.#waiting = undefined;
      waiting.resolve({ value: chunk, done: false });
      return;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= ENOUGH_BYTES && !this.#over) this.#controller.pause();
  }

  end(error: unknown): void {
    this.#over = true;
    this.#error = error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!waiting) return;
    if (error === undefined) waiting.resolve({ value: undefined, done: true });
    else waiting.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#chunks.shift();
    if (value) {
      this.#bytes -= value.length;
      if (this.#controller.paused && this.#bytes < ENOUGH_BYTES && !this.#over) this.#controller.resume();
      return Promise.resolve({ value, done: false });
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#over) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Reads the rest, so that the connection can be reused, but at most `limit` bytes. Never rejects. */
  async dump(limit: number): Promise<void> {
    try {
      let left = limit;
      for await (const chunk of this) if ((left -= chunk.length) < 0) break;
    } catch {
      // The connection has failed: there is nothing left to read.
    }
  }

  /** Discards the bytes that have not arrived yet. */
  close(): void {
    this.#chunks = [];
    this.#bytes = 0;
    if (!this.#over) this.#controller.abort(new Error('the rest is not needed'));
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));
