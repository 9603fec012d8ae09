import { closeSync, openSync, readFileSync } from 'node:fs';
import { inPool, libc, systemError } from './libc.js';
import { parseMountTable } from './mountpoint.js';

const POLLPRI = 2;
const EFD_CLOEXEC = 0o2000000;

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
    return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8')).some(({ id }) => id === this.id);
  }
}
