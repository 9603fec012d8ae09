import { Worker } from 'node:worker_threads';
import type { BatchFile, BatchOutcome } from './batch-protocol.js';

/** Largest file, bytes, that the thread copies in a batch; larger files are better copied in parallel. */
export const SMALL_FILE_BYTES = 1 << 20;
/** Number of files from which on the thread is worth its start. */
const THREAD_FILES = 32;

/**
 * Writes new small files in a separate thread, many for each wait for the disk: on this thread a file costs little more
 * than a row in a message. Files are published as in `write.ts`: bytes on the disk first, then the name.
 */
export class BatchWriter {
  #worker: Worker | undefined;
  #seen = 0;
  #next = 1;
  #queue: BatchFile[] = [];
  #sent: (() => void)[] = [];
  readonly #waiting = new Map<number, (outcome: BatchOutcome | undefined) => void>();

  /** Whether enough files were requested for the thread to be used. */
  get isWorthwhile(): boolean {
    return ++this.#seen > THREAD_FILES;
  }

  /**
   * Resolves when the file is on the disk under its name; without a size if that failed: then nothing of it remains,
   * and the usual path reports the reason. The descriptors must stay open until then.
   * @param arrived called when further files can be sent
   */
  write(file: Omit<BatchFile, 'id'>, arrived: () => void): Promise<BatchOutcome | undefined> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#queue.push({ ...file, id });
      this.#sent.push(arrived);
      // Other files of this turn of the event loop are sent along.
      if (this.#queue.length === 1) setImmediate(() => this.#send());
    });
  }

  #send(): void {
    const [queue, sent] = [this.#queue, this.#sent];
    this.#queue = [];
    this.#sent = [];
    // The descriptors of cancelled files are closed, and their numbers may belong to other files.
    const wanted = queue.filter(({ id }) => this.#waiting.has(id));
    if (wanted.length > 0)
      try {
        this.#worker ??= this.#start();
        this.#worker.postMessage(wanted);
      } catch {
        // No thread or descriptor is available: the usual path needs none, or reports the reason.
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
