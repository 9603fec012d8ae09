import { fstatSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import koffi, { type KoffiFunc } from 'koffi';

type CopyFileRange = (from: number, at: Buffer, to: number, b: null, size: number, flags: number) => number;

let copyRange: KoffiFunc<CopyFileRange> | undefined;
let syncfs: KoffiFunc<(fd: number) => number> | undefined;

/** Bytes that one call copies: a write can be aborted between two calls. */
const COPY_BYTES = 64 * 2 ** 20;

/** A local file by its path, or a descriptor, which stays open. */
export type LocalFile = string | number;

/** Bytes of a local file. */
export const localSize = async (file: LocalFile): Promise<number> =>
  (typeof file === 'number' ? fstatSync(file) : await stat(file)).size;

/**
 * Copies the first bytes of a local file into an empty one without passing them through this process:
 * copy_file_range(2), which shares the blocks where the file system can.
 * @returns bytes copied; fewer than `size` where the kernel cannot go on, and the caller must copy the rest
 */
export async function copyInKernel(
  from: LocalFile,
  to: FileHandle,
  size: number,
  signal: AbortSignal,
): Promise<number> {
  copyRange ??= koffi
    .load('libc.so.6')
    .func('long copy_file_range(int, void *, int, void *, size_t, unsigned int)') as KoffiFunc<CopyFileRange>;
  const call = copyRange;
  const source = typeof from === 'string' ? await open(from, 'r') : undefined;
  const fd = source?.fd ?? (from as number);
  const at = Buffer.alloc(8);
  let done = 0;
  try {
    while (done < size) {
      signal.throwIfAborted();
      const want = Math.min(COPY_BYTES, size - done);
      at.writeBigInt64LE(BigInt(done));
      const copied = await new Promise<number>((resolve, reject) => {
        call.async(fd, at, to.fd, null, want, 0, (error: unknown, value: number) =>
          error ? reject(error as Error) : resolve(Number(value)),
        );
      });
      // Another file system, or one without support: the caller reads and writes the rest, which reports the error if
      // there is one.
      if (copied <= 0) break;
      done += copied;
    }
  } finally {
    await source?.close();
  }
  return done;
}

/**
 * Writes all data of a file system to the disk: syncfs(2), off this thread. It reports errors since `fd` was opened
 * (Linux 5.8).
 * @returns whether it succeeded
 */
export function syncFileSystemOf(fd: number): Promise<boolean> {
  const call = syncfsCall();
  return new Promise((resolve, reject) => {
    call.async(fd, (error: unknown, result: number) => (error ? reject(error as Error) : resolve(result === 0)));
  });
}

/** As `syncFileSystemOf`, synchronously. */
export const syncFileSystemNow = (fd: number): boolean => syncfsCall()(fd) === 0;

function syncfsCall(): KoffiFunc<(fd: number) => number> {
  syncfs ??= koffi.load('libc.so.6').func('int syncfs(int)') as KoffiFunc<(fd: number) => number>;
  return syncfs;
}
