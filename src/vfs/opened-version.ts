import type { Log } from '../base/log.js';
import type { OpenBlob } from '../cache/open-blob.js';
import type { ContentVersion } from '../cache/source.js';
import { type Awaitable, after, type Handle, type OpenFile, type ReadBytes } from '../fuse/filesystem.js';
import type { ProjectParts } from './options.js';
import type { Readers } from './readers.js';

/** Files up to this size (bytes) are verified against their checksums before they open, once per start: about 10 ms. */
const CHECKED_AT_OPEN_BYTES = 32 * 2 ** 20;
const NOTHING: ReadBytes = { bytes: new Uint8Array(0) };

/** The content of a version, open for reading by a process. */
export class OpenedVersion {
  readonly #blob: OpenBlob;
  readonly #size: number;
  readonly #readers: Readers;
  readonly #pid: number;
  /** Made once, as reads are frequent. */
  readonly #asReply: (bytes: Uint8Array) => ReadBytes;

  constructor({ outbox, readers }: Pick<ProjectParts, 'outbox' | 'readers'>, version: ContentVersion, pid: number) {
    this.#size = version.size;
    this.#readers = readers;
    this.#pid = pid;
    this.#blob = outbox.blob(version, readers.reading(pid));
    const { release } = this.#blob;
    this.#asReply = (bytes) => ({ bytes, release });
  }

  read(offset: number, size: number, signal: AbortSignal): Awaitable<ReadBytes> {
    const length = Math.min(size, this.#size - offset);
    return length <= 0 ? NOTHING : after(this.#blob.read(offset, length, signal), this.#asReply);
  }

  /** Decides how it is read: if complete and verified by the kernel itself, otherwise through the daemon. */
  file(handle: Handle, log: Log): Awaitable<OpenFile> {
    const blob = this.#blob;
    if (!blob.whole || this.#size === 0) return { handle };
    if (blob.sound) return throughKernel(handle, blob, log);
    // The kernel does not verify checksums. A large blob is read through the daemon, which verifies what it reads; once
    // the check is done, the next open finds the blob sound.
    const check = blob.check();
    if (this.#size > CHECKED_AT_OPEN_BYTES) return { handle };
    return check.then((sound) => (sound ? throughKernel(handle, blob, log) : { handle }));
  }

  /** The process has closed it: as `close`, and notes how far it has read. */
  finish(): void {
    this.#readers.closed(this.#pid, this.#blob.position, this.#size);
    this.close();
  }

  close(): void {
    this.#blob.close();
  }
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
