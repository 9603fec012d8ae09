import { Failure } from '../base/errors.js';
import type { Blob } from './blob.js';
import { Reader, type Reading } from './reader.js';

/** A version that is open for reading. It is not evicted until closed. */
export interface OpenBlob {
  /**
   * Reads up to `size` bytes from `offset`; fewer only at the end. Synchronous if the bytes are cached and the disk is
   * fast.
   * @throws Failure `interrupted`, `wrong-size`, `download-failed`, `version-changed` if the storage now has other
   * bytes than earlier reads returned, or any failure of the source
   */
  read(offset: number, size: number, signal: AbortSignal): Promise<Uint8Array> | Uint8Array;
  /** Takes back the memory of what `read` returned: it is then used for other reads. */
  readonly release: (bytes: Uint8Array) => void;
  /** The complete version is on disk. */
  readonly whole: boolean;
  /** The complete version is on disk and verified against its checksums; it may be handed to the kernel. */
  readonly sound: boolean;
  /** Checks whether the version is `sound`: reads all of it, once per start of the process. */
  check(): Promise<boolean>;
  /** Offset after the last byte that was read in sequence; 0 before the first read. */
  readonly position: number;
  /** A read-only descriptor of the complete content, owned by the blob and valid until `close`. Only if `whole`. */
  fd(): number;
  close(): void;
}

export class BlobHandle implements OpenBlob {
  readonly #blob: Blob;
  readonly #reader: Reader;
  #closed = false;
  /** Entity tag of the bytes read so far. */
  #etag: string | undefined;

  constructor(blob: Blob, reading: Reading) {
    this.#blob = blob;
    this.#reader = new Reader(reading);
  }

  read(offset: number, size: number, signal: AbortSignal): Promise<Uint8Array> | Uint8Array {
    const read = this.#blob.read(offset, size, this.#reader, signal);
    return read instanceof Promise ? read.then((bytes) => this.#ofOneContent(bytes)) : this.#ofOneContent(read);
  }

  #ofOneContent(bytes: Uint8Array): Uint8Array {
    const { version, store } = this.#blob;
    const { etag } = store;
    if (etag === undefined) return bytes;
    if (etag !== (this.#etag ??= etag)) throw new Failure('version-changed', { path: version.label });
    return bytes;
  }

  get release(): (bytes: Uint8Array) => void {
    return this.#blob.release;
  }

  get whole(): boolean {
    return this.#blob.store.whole;
  }

  get sound(): boolean {
    return this.whole && this.#blob.store.isChecked;
  }

  check(): Promise<boolean> {
    return this.#blob.check();
  }

  get position(): number {
    return this.#reader.position;
  }

  fd(): number {
    return this.#blob.store.fd();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#blob.released();
  }
}
