/** What one read of a socket gives at most. */
const ONE_READ = 64 * 1024;

/**
 * The bytes of a reply as they arrive. They are moved to their place at once, so that there is no moment at which all of
 * them are copied: a large reply has 60 MB.
 */
export class Body {
  /** The only part so far. */
  #first: Buffer | undefined;
  #room: Buffer | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(part: Buffer): void {
    if (this.#size === 0) this.#first = part;
    else this.#append(part);
    this.#size += part.length;
  }

  /** All of it. More than one read gives lies in memory that nothing else refers to: see `transferable`. */
  get bytes(): Buffer {
    return this.#room?.subarray(0, this.#size) ?? this.#first ?? Buffer.alloc(0);
  }

  #append(part: Buffer): void {
    if (this.#room === undefined || this.#room.length < this.#size + part.length) {
      const room = Buffer.from(new ArrayBuffer(2 * Math.max(this.#size + part.length, ONE_READ)));
      room.set(this.bytes);
      this.#room = room;
    }
    this.#room.set(part, this.#size);
  }
}

/** The bytes of a reply for another thread, as a view whose memory can be transferred. They are gone here then. */
export function transferable(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes;
  return bytes.length > ONE_READ ? new Uint8Array(buffer as ArrayBuffer, byteOffset, length) : new Uint8Array(bytes);
}
