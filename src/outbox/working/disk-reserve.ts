import { rmSync, statfsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { onDisk } from '../../base/disk.js';
import { isFailure } from '../../base/errors.js';

/** Bytes: enough for some hundred changes without content. */
const SIZE_BYTES = 4 * 2 ** 20;
/** Bytes released at a time, a few database pages: other programs would take the rest. */
const STEP_BYTES = 2 ** 14;
/** The reserve is restored when this many bytes are free, which is checked at most once in this many milliseconds. */
const PLENTY_BYTES = 4 * SIZE_BYTES;
const PAUSE_MS = 1000;

/**
 * Disk space reserved for rows. On a full disk nothing could be deleted or renamed either, since that too must be
 * recorded, and a user who frees the disk by deleting must be able to.
 */
export class DiskReserve {
  readonly #path: string;
  readonly #clock: Clock;
  #size: number;
  #triedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (this.#size < SIZE_BYTES) this.#take();
  }

  /** Writes to the disk; when it is full, with the reserved space. @throws Failure `disk-full`, `disk-failed` */
  write<T>(work: () => T): T {
    for (;;)
      try {
        const result = onDisk(work);
        if (this.#size < SIZE_BYTES) this.#take();
        return result;
      } catch (error) {
        if (!isFailure(error, 'disk-full') || !this.#give()) throw error;
      }
  }

  #give(): boolean {
    if (this.#size === 0) return false;
    this.#triedAt = this.#clock.monotonic();
    this.#size = Math.max(0, this.#size - STEP_BYTES);
    try {
      truncateSync(this.#path, this.#size);
      return true;
    } catch {
      return false;
    }
  }

  #take(): void {
    if (this.#clock.monotonic() - this.#triedAt < PAUSE_MS) return;
    this.#triedAt = this.#clock.monotonic();
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      if (bavail * bsize < PLENTY_BYTES) return;
      // Written with data, since a hole in a file reserves no space.
      writeFileSync(this.#path, Buffer.alloc(SIZE_BYTES, 0x20), { mode: 0o600 });
      this.#size = SIZE_BYTES;
    } catch {
      // A partly written reserve takes space from other writes.
      rmSync(this.#path, { force: true });
      this.#size = 0;
    }
  }
}
