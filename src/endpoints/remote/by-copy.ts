import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { MakeFolder } from '../temporary.js';

/**
 * Reads a file through a copy in a folder that is removed before this resolves: the data stays until the open file is
 * closed.
 * @param copy creates the copy in the folder, under `name`
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
  // Last step: the error of a stream that fails before the caller listens to it would end the process.
  if (!signal.aborted) return handle.createReadStream({ start, signal });
  await handle.close();
  throw signal.reason;
}
