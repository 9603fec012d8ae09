import { spawn, spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Test } from 'tap';

/**
 * Runs a script of the shell when this process has ended, however it ended: what a test has on the machine goes also
 * where nobody is left to clean up. The other end of its pipe closes with this process.
 * @returns takes it back
 */
export function afterwards(script: string, ...words: readonly string[]): () => void {
  const child = spawn('sh', ['-c', `read -r nothing; ${script}`, 'sh', ...words], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Who kills a group of processes does not mean this one.
    detached: true,
  });
  child.unref();
  (child.stdin as Socket).unref();
  return () => void child.kill('SIGKILL');
}

/** What a test has mounted goes with it. */
export function unmountAfter(t: Pick<Test, 'teardown'>, mountpoint: string): void {
  const takeBack = afterwards('umount -l -- "$1"', mountpoint);
  t.teardown(() => {
    spawnSync('umount', ['-l', mountpoint]);
    takeBack();
  });
}
