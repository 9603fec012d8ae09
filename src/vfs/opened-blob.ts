import type { Log } from '../base/log.js';
import type { OpenBlob } from '../cache/open-blob.js';
import type { Awaitable, Handle, OpenFile } from '../fuse/filesystem.js';

/** Bytes of a file that are compared with their sums before it is open, once a start: some 10 ms. */
const CHECKED_AT_OPEN_BYTES = 32 * 2 ** 20;

/** How whoever opened a file is to read it: the kernel by itself what is whole and sound, else through the daemon. */
export function openedBlob(handle: Handle, blob: OpenBlob, size: number, log: Log): Awaitable<OpenFile> {
  if (!blob.whole || size === 0) return { handle };
  if (blob.sound) return throughKernel(handle, blob, log);
  // The kernel does not look at sums. Of a large one what is read is looked at, and the next open finds it sound.
  const check = blob.check();
  if (size > CHECKED_AT_OPEN_BYTES) return { handle };
  return check.then((sound) => (sound ? throughKernel(handle, blob, log) : { handle }));
}

/** Where the file cannot be opened the kernel asks the daemon, and what is gone is fetched again. */
function throughKernel(handle: Handle, blob: OpenBlob, log: Log): OpenFile {
  try {
    return { handle, backingFd: blob.fd() };
  } catch (error) {
    log.info({ error }, 'a cached file cannot be opened for the kernel');
    return { handle };
  }
}
