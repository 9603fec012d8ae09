import { Worker } from 'node:worker_threads';
import { diskFailure } from '../../base/disk.js';
import { Failure, failureFromJson } from '../../base/errors.js';
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
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The thread that parses replies and writes `mirror.db`, so that the driver's thread waits for neither. */
export class WriterThread {
  readonly #path: string;
  readonly #take: (changes: readonly Change[]) => void;
  #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #ended: unknown;
  /** What `take` threw for the request that is being answered. */
  #notTaken: unknown;

  /**
   * @param path of `mirror.db`, which exists and is migrated
   * @param take is called with the changes of a request before the request resolves, in parts if there are many
   */
  constructor(path: string, take: (changes: readonly Change[]) => void) {
    this.#path = path;
    this.#take = take;
    this.#worker = this.#start();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./writer-worker.js', import.meta.url), {
      workerData: { path: this.#path },
      // A page of 2,000 rows needs about 30 MB while it is parsed.
      resourceLimits: { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 16 },
    });
    worker.on('message', (answer: WriterReply) => this.#answered(answer, worker));
    const fail = (error: unknown): void => {
      if (worker === this.#worker) this.#fail(error);
    };
    worker.on('error', fail);
    worker.on('exit', () => fail(new Error('the mirror writer ended')));
    return worker;
  }

  /** All requests are answered. */
  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Continues in a new thread, which frees the memory that the crawl took: tens of MB. Does nothing while requests are
   * in progress.
   */
  async renew(): Promise<void> {
    if (this.#ended || !this.isIdle) return;
    const old = this.#worker;
    this.#worker = this.#start();
    const ended = new Promise((resolve) => old.once('exit', resolve));
    old.postMessage({ id: this.#next++, request: { op: 'close' } } satisfies Envelope);
    await ended;
  }

  /** Requests are executed one after another, in the order in which they were made. */
  run<Op extends WriterRequest['op']>(request: WriterRequest & { readonly op: Op }): Promise<WriterResults[Op]> {
    if (this.#ended) return Promise.reject(new Failure('internal', {}, this.#ended));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ id, request }, 'body' in request ? memoryOf(request.body) : []);
    });
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.run({ op: 'close' }).catch(() => undefined);
    await this.#worker.terminate();
  }

  #answered(answer: WriterReply, worker: Worker): void {
    try {
      if (answer.changes !== undefined && answer.changes.length > 0) this.#take(answer.changes);
    } catch (error) {
      this.#notTaken ??= error;
    }
    if (!('id' in answer)) {
      setImmediate(() => worker.postMessage(MORE));
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    const error = answer.error === undefined ? this.#notTaken : asThrown(answer.error);
    this.#notTaken = undefined;
    if (error === undefined) waiting?.resolve(answer.result);
    else waiting?.reject(error);
  }

  #fail(error: unknown): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(new Failure('internal', {}, this.#ended));
    this.#waiting.clear();
  }
}

const asThrown = ({ message, code, failure }: AnsweredError): unknown =>
  failure ? failureFromJson(failure) : diskFailure(Object.assign(new Error(message), { code }));
