import { Failure } from '../base/errors.js';
import type { Blob } from './blob.js';
import { Reader, type Reading } from './reader.js';

/** A version that somebody reads. It is not evicted until closed. */
export interface OpenBlob {
  /**
   * Up to `size` bytes from `offset`; fewer only at the end. At once where they are here and the disk is quick.
   * @throws Failure `interrupted`, `wrong-size`, `download-failed`, `version-changed` where earlier reads have shown other
   *   bytes than the storage has now, or what the source fails with
   */
  read(offset: number, size: number, signal: AbortSignal): Promise<Uint8Array> | Uint8Array;
  /** All of it is on disk. */
  readonly whole: boolean;
  /** All of it is on disk, and was found to be what had been written there; may be handed to the kernel. */
  readonly sound: boolean;
  /** Looks whether it is `sound`: reads all of it once a start. */
  check(): Promise<boolean>;
  /** The byte after the last one that was read in sequence; 0 before the first read. */
  readonly position: number;
  /** A read-only descriptor of the whole content. The blob owns it; it is good until `close`. Only when `whole`. */
  fd(): number;
  close(): void;
}

export class BlobHandle implements OpenBlob {
  readonly #blob: Blob;
  readonly #reader: Reader;
  #closed = false;
  /** Of what was read so far. */
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
