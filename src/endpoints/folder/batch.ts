import { Worker } from 'node:worker_threads';
import type { BatchFile, BatchOutcome } from './batch-protocol.js';

/** Bytes of a file that one thread copies among others; larger ones are better copied side by side. */
export const SMALL_FILE_BYTES = 1 << 20;
/** Files after which a thread is worth its start. */
const THREAD_FILES = 32;

/**
 * Writes new small files in a thread of its own, many for each wait for the disk: what a file takes of this thread is
 * little more than a row in a message. Files are published as `write.ts` does it: bytes on the disk, then the name.
 */
export class BatchWriter {
  #worker: Worker | undefined;
  #seen = 0;
  #next = 1;
  #queue: BatchFile[] = [];
  #sent: (() => void)[] = [];
  readonly #waiting = new Map<number, (outcome: BatchOutcome | undefined) => void>();

  /** Whether so many files were asked for that they are taken. */
  get isWorthwhile(): boolean {
    return ++this.#seen > THREAD_FILES;
  }

  /**
   * Resolves when the file is on the disk under its name; without a size if it could not be done so: then nothing of it
   * is there, and the usual way tells why. The descriptors stay open until then.
   * @param arrived called when others may come
   */
  write(file: Omit<BatchFile, 'id'>, arrived: () => void): Promise<BatchOutcome | undefined> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#queue.push({ ...file, id });
      this.#sent.push(arrived);
      // What else comes in this turn of the event loop goes along.
      if (this.#queue.length === 1) setImmediate(() => this.#send());
    });
  }

  #send(): void {
    const [queue, sent] = [this.#queue, this.#sent];
    this.#queue = [];
    this.#sent = [];
    // Of what was given up meanwhile the descriptors are closed, and their numbers may be those of other files.
    const wanted = queue.filter(({ id }) => this.#waiting.has(id));
    if (wanted.length > 0)
      try {
        this.#worker ??= this.#start();
        this.#worker.postMessage(wanted);
      } catch {
        // No more threads or descriptors: the usual way needs none, or tells why.
        this.#giveUp();
      }
    for (const arrived of sent) arrived();
  }

  #giveUp(): void {
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./batch-worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 8 },
    });
    worker.on('message', (outcomes: readonly BatchOutcome[]) => {
      for (const outcome of outcomes) {
        this.#waiting.get(outcome.id)?.(outcome.size === undefined ? undefined : outcome);
        this.#waiting.delete(outcome.id);
      }
    });
    const ended = (): void => {
      if (this.#worker === worker) this.#worker = undefined;
      this.#giveUp();
    };
    worker.on('error', ended);
    worker.on('exit', ended);
    return worker;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#giveUp();
  }
}
