import { fork } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Failure, type FailureJson, failureFromJson } from '../base/errors.js';
import { openForAppending } from '../base/log.js';
import type { DaemonRequest } from '../daemon/run.js';
import { THREAD_POOL_SIZE } from '../fuse/drivers.js';

/**
 * V8 collects with helper threads by default: for the daemon's small heap, through which much external memory passes,
 * they cost more than they bring (measured: reading a large file through takes half the processor time without them).
 * A young generation of its usual size would keep the daemon 40 MB larger for nothing. What has died in the old one is
 * collected when it has grown by half: by default a small heap grows to four times what lives in it first.
 */
const GC = ['--single-threaded-gc', '--max-semi-space-size=4', '--heap-growing-percent=50'];
/** Heaps of malloc: one for each of the many threads would take more than what is in them. */
const ARENAS = 2;

/** What the daemon tells the process that started it. */
export type DaemonAnswer = { readonly mounted: true; readonly delegated: boolean } | { readonly failure: FailureJson };

export interface StartOptions {
  /** Stays until the mount ends. */
  readonly foreground: boolean;
  /** Ends the process if the mount does not answer yet. */
  readonly signal?: AbortSignal;
}

/** Starts the process that stays behind the mount, and returns when the mount answers. */
export async function startDaemon(request: DaemonRequest, { foreground, signal }: StartOptions): Promise<void> {
  signal?.throwIfAborted();
  const errors = openForAppending(request.log);
  const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), ['daemon'], {
    detached: !foreground,
    stdio: ['ignore', 'ignore', errors, 'ipc'],
    cwd: '/',
    execArgv: [...process.execArgv, ...GC],
    env: { ...process.env, UV_THREADPOOL_SIZE: String(THREAD_POOL_SIZE), MALLOC_ARENA_MAX: String(ARENAS) },
  });
  closeSync(errors);
  const answer = await new Promise<DaemonAnswer>((resolve, reject) => {
    const abort = (): void => {
      child.kill('SIGTERM');
      reject(signal?.reason);
    };
    const end = (then: () => void): void => {
      signal?.removeEventListener('abort', abort);
      then();
    };
    signal?.addEventListener('abort', abort, { once: true });
    const failed = (cause?: unknown): void =>
      end(() => reject(new Failure('daemon-failed', { log: request.log }, cause)));
    child.once('message', (message) => end(() => resolve(message as DaemonAnswer)));
    child.on('error', failed);
    child.once('exit', () => failed());
    // It may have ended already.
    child.send(request, (error) => error && failed(error));
  });
  if ('failure' in answer) throw failureFromJson(answer.failure);
  child.disconnect();
  if (!foreground || answer.delegated) {
    child.unref();
    return;
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  const code = await new Promise<number | null>((done) => child.once('exit', done));
  if (code !== 0) throw new Failure('daemon-failed', { log: request.log });
}
