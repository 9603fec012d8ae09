import { type ChildProcessWithoutNullStreams, type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';
import { Failure } from '../base/errors.js';

/**
 * Starts a program with pipes; the caller listens to later events, including `error`.
 * @throws Failure `target-failed` where this process has no free descriptors: then there are no pipes (child_process.js
 * of Node 20), and a caller that uses them unchecked would fail before it listens to the error
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
