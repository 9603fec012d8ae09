import { type ChildProcessWithoutNullStreams, type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';
import { Failure } from '../base/errors.js';

/**
 * Starts a program with pipes; what comes of it later, the event `error` among it, is the caller's to listen to.
 * @throws Failure `target-failed` where this process can open nothing more: then there are no pipes (child_process.js
 * of Node 20), and whoever took them for granted would not get to listen to the error either
 */
export function launch(
  program: string,
  words: readonly string[],
  options: SpawnOptionsWithoutStdio,
  target: string,
): ChildProcessWithoutNullStreams {
  const child = spawn(program, words, { ...options, stdio: 'pipe' });
  if (child.stdin as unknown) return child;
  child.once('error', () => undefined);
  throw new Failure('target-failed', { target, path: program, why: 'too many files are open (EMFILE or ENFILE)' });
}
