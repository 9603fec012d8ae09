import { closeSync, openSync, readSync } from 'node:fs';
import { inPool, libc, systemError } from './libc.js';
import { parseMountTable } from './mountpoint.js';

const POLLPRI = 2;
const EFD_CLOEXEC = 0o2000000;
/** Bytes of the table read at once. */
const PART_BYTES = 64 * 1024;

/**
 * Waits until a mount has gone from the mount table. The kernel raises POLLPRI on an open mountinfo whenever the table
 * changes (proc_pid_mountinfo(5)), so one sleeping thread of the pool is all that it takes.
 */
export class MountWatch {
  readonly gone: Promise<void>;
  readonly #table = openSync('/proc/self/mountinfo', 'r');
  readonly #wake: number;
  #closed = false;

  /** @param id of the mount, as in the mount table */
  constructor(private readonly id: number) {
    this.#wake = libc.eventfd(0, EFD_CLOEXEC);
    if (this.#wake < 0) throw systemError('eventfd');
    this.gone = this.#watch();
  }

  /** Stops waiting; `gone` resolves. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    libc.write(this.#wake, new BigUint64Array([1n]), 8);
  }

  async #watch(): Promise<void> {
    const pollfds = new Int32Array([this.#table, POLLPRI, this.#wake, 1]);
    // A table that changes while it is read may come without an entry that is there: look twice.
    while (!this.#closed && (this.#there() || this.#there())) {
      await inPool('poll', pollfds, 2, -1).catch(() => 0);
    }
    this.#closed = true;
    closeSync(this.#table);
    closeSync(this.#wake);
  }

  #there(): boolean {
    // By the descriptor that is open: there may be none left for another.
    const parts: Buffer[] = [];
    for (let at = 0; ; ) {
      const part = Buffer.alloc(PART_BYTES);
      const length = readSync(this.#table, part, 0, PART_BYTES, at);
      if (length === 0) break;
      parts.push(part.subarray(0, length));
      at += length;
    }
    return parseMountTable(Buffer.concat(parts).toString('utf8')).some(({ id }) => id === this.id);
  }
}
