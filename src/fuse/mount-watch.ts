import { closeSync, openSync, readSync } from 'node:fs';
import { inPool, libc, systemError } from './libc.js';
import { parseMountTable } from './mountpoint.js';

const POLLPRI = 2;
const EFD_CLOEXEC = 0o2000000;
/** Bytes per read of the mount table. */
const PART_BYTES = 64 * 1024;

/**
 * Waits until a mount disappears from the mount table. The kernel raises POLLPRI on an open mountinfo whenever the
 * table changes (proc_pid_mountinfo(5)), so this needs only one sleeping thread of the pool.
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
    // If the table changes while it is read, an existing entry may be missing: read it twice.
    while (!this.#closed && (this.#there() || this.#there())) {
      await inPool('poll', pollfds, 2, -1).catch(() => 0);
    }
    this.#closed = true;
    closeSync(this.#table);
    closeSync(this.#wake);
  }

  #there(): boolean {
    // Through the open descriptor, as there may be none left to open the table again.
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
