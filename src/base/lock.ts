import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { pauseAfter } from './backoff.js';
import type { Clock } from './clock.js';

/** flock(2) operations, <sys/file.h>. */
const LOCK_EX = 2;
const LOCK_NB = 4;
const EINTR = 4;
const EWOULDBLOCK = 11;
/** Pauses between attempts to take a lock, milliseconds. */
const RETRY = { first: 2, factor: 1.5, longest: 100 };

let flock: ((fd: number, operation: number) => number) | undefined;

function callFlock(fd: number, operation: number): number {
  flock ??= koffi.load('libc.so.6').func('int flock(int, int)') as (fd: number, operation: number) => number;
  for (;;) {
    if (flock(fd, operation) === 0) return 0;
    const errno = koffi.errno();
    if (errno !== EINTR) return errno;
  }
}

/** A lock that the kernel releases when the process ends, also by kill -9. */
export interface FileLock {
  release(): void;
}

/**
 * Takes the exclusive lock on `path` (a file that is created 0600, contains the owner's pid, and stays), or returns
 * undefined at once if another open file description has it.
 */
export function tryLock(path: string): FileLock | undefined {
  const fd = openSync(path, 'a+', 0o600);
  const errno = callFlock(fd, LOCK_EX | LOCK_NB);
  if (errno !== 0) {
    closeSync(fd);
    if (errno === EWOULDBLOCK) return undefined;
    throw Object.assign(new Error(`flock(${path}) failed with errno ${errno}`), { errno });
  }
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`);
  } catch {
    // The disk is full. The lock is held nevertheless; the pid in the file is only a hint.
  }
  let isHeld = true;
  return {
    release() {
      // Only once: later, the descriptor number may belong to another file.
      if (isHeld) closeSync(fd);
      isHeld = false;
    },
  };
}

/** Waits for the lock. Rejects with the signal's reason when aborted. */
export async function lock(path: string, clock: Clock, signal?: AbortSignal): Promise<FileLock> {
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted();
    const held = tryLock(path);
    if (held) return held;
    await clock.sleep(pauseAfter(failures, RETRY), signal);
  }
}

/** The pid of the last owner, as written in the lock file; only a hint. */
export function lockHolder(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}
