import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { MakeFolder } from '../temporary.js';

/**
 * Reads a file by way of a copy in a folder that is gone when this resolves: the open file stays until it is closed.
 * @param copy puts it into the folder, under `name`
 */
export async function readByCopy(
  name: string,
  start: number,
  signal: AbortSignal,
  temporary: MakeFolder,
  copy: (folder: string) => Promise<unknown>,
): Promise<Readable> {
  const folder = await temporary('read');
  let handle: FileHandle;
  try {
    await copy(folder);
    handle = await open(join(folder, name));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  // Last of all: the error of a stream that ends before anybody listens to it would end the process.
  if (!signal.aborted) return handle.createReadStream({ start, signal });
  await handle.close();
  throw signal.reason;
}
