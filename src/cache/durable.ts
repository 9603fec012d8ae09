import { closeSync, openSync, readFileSync } from 'node:fs';
import koffi, { type KoffiFunc } from 'koffi';

let syncfs: KoffiFunc<(fd: number) => number> | undefined;

/** Puts everything written to the file system of `folder` on stable storage: syncfs(2), off this thread. */
export async function syncFileSystem(folder: string): Promise<void> {
  syncfs ??= koffi.load('libc.so.6').func('int syncfs(int fd)');
  const fd = openSync(folder, 'r');
  try {
    const result = await new Promise<number>((resolve, reject) => {
      syncfs!.async(fd, (error: unknown, value: number) => (error ? reject(error) : resolve(value)));
    });
    if (result !== 0) throw new Error(`syncfs failed for ${folder}`);
  } finally {
    closeSync(fd);
  }
}

/** An id that differs after each boot of this machine; see random(4). */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
