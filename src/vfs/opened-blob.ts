import type { Log } from '../base/log.js';
import type { OpenBlob } from '../cache/open-blob.js';
import type { Awaitable, Handle, OpenFile } from '../fuse/filesystem.js';

/** Files up to this size (bytes) are verified against their checksums before they open, once per start: about 10 ms. */
const CHECKED_AT_OPEN_BYTES = 32 * 2 ** 20;

/** Decides how an opened file is read: a complete and verified blob by the kernel itself, others through the daemon. */
export function openedBlob(handle: Handle, blob: OpenBlob, size: number, log: Log): Awaitable<OpenFile> {
  if (!blob.whole || size === 0) return { handle };
  if (blob.sound) return throughKernel(handle, blob, log);
  // The kernel does not verify checksums. A large blob is read through the daemon, which verifies what it reads; once
  // the check is done, the next open finds the blob sound.
  const check = blob.check();
  if (size > CHECKED_AT_OPEN_BYTES) return { handle };
  return check.then((sound) => (sound ? throughKernel(handle, blob, log) : { handle }));
}

/** If the cached file cannot be opened, the kernel reads through the daemon, which fetches missing content again. */
function throughKernel(handle: Handle, blob: OpenBlob, log: Log): OpenFile {
  try {
    return { handle, backingFd: blob.fd() };
  } catch (error) {
    log.info({ error }, 'a cached file cannot be opened for the kernel');
    return { handle };
  }
}
