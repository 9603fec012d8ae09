import { fork } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Failure, type FailureJson, failureFromJson } from '../base/errors.js';
import { openForAppending } from '../base/log.js';
import type { DaemonRequest } from '../daemon/run.js';
import { THREAD_POOL_SIZE } from '../fuse/drivers.js';

/**
 * V8 collects garbage with helper threads by default. For the daemon's small heap, through which much external memory
 * passes, they cost more than they save (measured: reading a large file takes half the processor time without them).
 * A young generation of the default size would only make the daemon 40 MB larger. The old generation is collected when
 * it has grown by half: by default, a small heap first grows to four times its live data.
 */
const GC = ['--single-threaded-gc', '--max-semi-space-size=4', '--heap-growing-percent=50'];
/** Number of malloc arenas: one for each of the many threads would take more memory than its content. */
const ARENAS = 2;

/** Message from the daemon to the process that started it. */
export type DaemonAnswer = { readonly mounted: true; readonly delegated: boolean } | { readonly failure: FailureJson };

export interface StartOptions {
  /** The command stays in the foreground until the mount ends. */
  readonly foreground: boolean;
  /** Ends the daemon if the mount does not answer yet. */
  readonly signal?: AbortSignal;
}

/** Starts the daemon of a mount, and returns when the mount answers. */
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
    // The daemon may have ended already.
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
