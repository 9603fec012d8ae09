import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { Pauses } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { diskFailure } from '../../base/disk.js';
import { Failure, failureFromJson } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { memoryOf } from '../../procore/transport/body.js';
import type { Change } from './changes.js';
import {
  type AnsweredError,
  type Envelope,
  MORE,
  type WriterReply,
  type WriterRequest,
  type WriterResults,
} from './protocol.js';

interface Waiting {
  readonly request: WriterRequest;
  /** How often it was given to a thread. */
  posts: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export interface WriterThreadOptions {
  /** `mirror.db`, which exists and is migrated. */
  readonly path: string;
  /** Called with the changes of a request before the request resolves, in parts if there are many. */
  readonly take: (changes: readonly Change[]) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const RESTART = { first: 500, longest: 60_000 };
/** Milliseconds after which a thread that has not ended counts as sound. */
const SOUND_MS = 10 * 60_000;
/** A request that so many threads did not survive is not given to another one. */
const MOST_POSTS = 3;

/**
 * The thread that parses replies and writes `mirror.db`, so that the driver's thread waits for neither. If it ends
 * unexpectedly it is started again. Its requests are repeated then, except those with the body of a reply, which fail:
 * the reply is asked for again.
 */
export class WriterThread {
  readonly #options: WriterThreadOptions;
  /** Undefined during the pause before it is started again, and in the end. */
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #isClosed = false;
  #startedAt = 0;
  #deaths = 0;
  readonly #pauses = new Pauses(RESTART);
  #cancelStart: (() => void) | undefined;
  /** The changes of the request that is being executed, which may be stored although no answer comes. */
  #untold: Uint8Array | undefined;
  /** What `take` threw for the request that is being answered. */
  #notTaken: unknown;

  constructor(options: WriterThreadOptions) {
    this.#options = options;
    this.#worker = this.#start();
  }

  #start(): Worker {
    this.#startedAt = this.#options.clock.monotonic();
    const worker = new Worker(new URL('./writer-worker.js', import.meta.url), {
      workerData: { path: this.#options.path },
      // A page of 2,000 rows needs about 30 MB while it is parsed.
      resourceLimits: { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 16 },
    });
    let cause: unknown;
    worker.on('message', (answer: WriterReply) => this.#answered(answer, worker));
    worker.on('error', (error) => {
      cause = error;
    });
    // All that the thread has posted was received before.
    worker.on('exit', () => {
      if (worker === this.#worker) this.#died(cause);
    });
    return worker;
  }

  /** All requests are answered. */
  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  /** How often the thread has ended unexpectedly, each time soon after it was started. */
  get deaths(): number {
    return this.#isSound ? 0 : this.#deaths;
  }

  get #isSound(): boolean {
    return this.#options.clock.monotonic() - this.#startedAt > SOUND_MS;
  }

  /**
   * Continues in a new thread, which frees the memory that the crawl took: tens of MB. Does nothing while requests are
   * in progress.
   */
  async renew(): Promise<void> {
    const old = this.#worker;
    if (!old || this.#isClosed || !this.isIdle) return;
    this.#worker = this.#start();
    const ended = new Promise((resolve) => old.once('exit', resolve));
    old.postMessage({ id: this.#next++, request: { op: 'close' } } satisfies Envelope);
    await ended;
  }

  /** Requests are executed one after another, in the order in which they were made. */
  run<Op extends WriterRequest['op']>(request: WriterRequest & { readonly op: Op }): Promise<WriterResults[Op]> {
    if (this.#isClosed) return Promise.reject(new Failure('interrupted'));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const waiting = { request, posts: 0, resolve: resolve as (value: unknown) => void, reject };
      this.#waiting.set(id, waiting);
      this.#post(id, waiting);
    });
  }

  #post(id: number, waiting: Waiting): void {
    const { request } = waiting;
    if (!this.#worker) return;
    waiting.posts++;
    this.#worker.postMessage({ id, request } satisfies Envelope, 'body' in request ? memoryOf(request.body) : []);
  }

  async close(): Promise<void> {
    const done = this.#worker && this.run({ op: 'close' });
    this.#isClosed = true;
    this.#cancelStart?.();
    await done?.catch(() => undefined);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#giveUp(() => true, undefined);
    await worker?.terminate();
  }

  #answered(answer: WriterReply, worker: Worker): void {
    if ('untold' in answer) {
      this.#untold = answer.untold;
      return;
    }
    if (answer.changes !== undefined && answer.changes.length > 0) this.#tell(answer.changes);
    if (!('id' in answer)) {
      setImmediate(() => worker.postMessage(MORE));
      return;
    }
    this.#untold = undefined;
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    const error = answer.error === undefined ? this.#notTaken : asThrown(answer.error);
    this.#notTaken = undefined;
    if (error === undefined) waiting?.resolve(answer.result);
    else waiting?.reject(error);
  }

  #tell(changes: readonly Change[]): void {
    try {
      this.#options.take(changes);
    } catch (error) {
      this.#notTaken ??= error;
    }
  }

  #died(cause: unknown): void {
    this.#worker = undefined;
    if (this.#untold) this.#tell(deserialize(this.#untold) as Change[]);
    this.#untold = this.#notTaken = undefined;
    this.#giveUp(({ request, posts }) => posts >= MOST_POSTS || (posts > 0 && 'body' in request), cause);
    if (this.#isClosed) return;
    if (this.#isSound) {
      this.#deaths = 0;
      this.#pauses.reset();
    }
    this.#deaths++;
    const pause = this.#pauses.next();
    this.#options.log.error({ error: cause, seconds: pause / 1000 }, "the mirror's writer ended; it is started again");
    this.#cancelStart = this.#options.clock.after(pause, () => {
      this.#worker = this.#start();
      for (const [id, waiting] of this.#waiting) this.#post(id, waiting);
    });
  }

  #giveUp(which: (waiting: Waiting) => boolean, cause: unknown): void {
    for (const [id, waiting] of this.#waiting) {
      if (!which(waiting)) continue;
      this.#waiting.delete(id);
      waiting.reject(new Failure('mirror-writer-ended', {}, cause));
    }
  }
}

const asThrown = ({ message, code, failure }: AnsweredError): unknown =>
  failure ? failureFromJson(failure) : diskFailure(Object.assign(new Error(message), { code }));
