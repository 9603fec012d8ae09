import type { Attributes, DirectoryEntry, Entry } from '../filesystem.js';
import { type Layout, structs } from './protocol.js';
import type { FuseRequest } from './request.js';

const OUT = structs.out_header;
const ENTRY = structs.entry_out;
const ATTR = structs.attr.at;
const ATTR_OUT = structs.attr_out.at;
const DIRENT = structs.dirent;
const WORD = 2 ** 32;
/** `blksize`: the I/O size of stdio and cp(1). */
const BLOCK_BYTES = 128 * 1024;
const DT_DIR = 4;
const DT_REG = 8;
/** The longest time-out, seconds: the kernel counts time-outs in 64-bit jiffies, and a year is as good as unlimited. */
const FOREVER = 365 * 86_400;

/**
 * The buffer for the reply being written. It is reused, so nothing is allocated per reply. Each method writes one
 * struct after the header and returns the length of the whole message.
 */
export class ReplyBuffer {
  readonly bytes: Buffer;
  readonly #words: Uint32Array;
  /** How many entries the last `directory` packed. */
  packed = 0;
  /** Average bytes of a name in a directory entry, padding included. */
  #nameBytes = 24;

  constructor(size: number) {
    const memory = new ArrayBuffer(size + OUT.size);
    this.bytes = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
  }

  /** Writes the header; `length` includes it. `errno` is positive, 0 = success. */
  header(request: FuseRequest, length: number, errno = 0): void {
    const words = this.#words;
    words[OUT.at.len >> 2] = length;
    words[OUT.at.error >> 2] = -errno;
    words[OUT.at.unique >> 2] = request.uniqueLow;
    words[(OUT.at.unique >> 2) + 1] = request.uniqueHigh;
  }

  entry(entry: Entry): number {
    this.#entry(OUT.size, entry);
    return OUT.size + ENTRY.size;
  }

  /** A name that does not exist, with the time for which the kernel may cache that: node 0 with a time-out. */
  noEntry(timeout: number): number {
    this.#zero(OUT.size, ENTRY.size);
    this.#timeout(OUT.size + ENTRY.at.entry_valid, OUT.size + ENTRY.at.entry_valid_nsec, timeout);
    return OUT.size + ENTRY.size;
  }

  attributes(entry: Entry): number {
    this.#timeout(OUT.size + ATTR_OUT.attr_valid, OUT.size + ATTR_OUT.attr_valid_nsec, entry.attributeTimeout);
    this.#words[(OUT.size + ATTR_OUT.dummy) >> 2] = 0;
    this.#attributes(OUT.size + ATTR_OUT.attr, entry.attributes);
    return OUT.size + structs.attr_out.size;
  }

  opened(fh: number, flags: number, backingId: number): number {
    return this.#opened(OUT.size, fh, flags, backingId);
  }

  created(entry: Entry, fh: number, flags: number, backingId: number): number {
    return this.#opened(this.entry(entry), fh, flags, backingId);
  }

  /** A struct of an operation's own, of fields with 32 and 64 bits. Those without a value are 0. */
  struct<Field extends string>(
    layout: Layout<Field>,
    values: Readonly<Partial<Record<NoInfer<Field>, number>>>,
  ): number {
    this.#zero(OUT.size, layout.size);
    for (const [field, value] of Object.entries(values) as [Field, number][]) {
      const at = OUT.size + layout.at[field];
      if (layout.wide.has(field)) this.#u64(at, value);
      else this.#words[at >> 2] = value;
    }
    return OUT.size + layout.size;
  }

  data(bytes: Uint8Array): number {
    this.bytes.set(bytes, OUT.size);
    return OUT.size + bytes.length;
  }

  empty(): number {
    return OUT.size;
  }

  /** Estimates how many directory entries fit into `room` bytes, from the average length of earlier names. */
  guess(room: number, plus: boolean): number {
    return Math.ceil(room / ((plus ? structs.direntplus.size : DIRENT.size) + this.#nameBytes));
  }

  /**
   * Packs entries until `room` bytes are full. `plus` puts each item's attributes before its name (READDIRPLUS), which
   * saves the kernel a lookup per item.
   */
  directory(entries: readonly DirectoryEntry[], room: number, plus: boolean): number {
    const end = OUT.size + Math.min(room, this.bytes.length - OUT.size);
    let at = OUT.size;
    let packed = 0;
    for (const item of entries) {
      const dirent = plus ? at + ENTRY.size : at;
      const name = dirent + DIRENT.size;
      const length = name <= end ? this.#name(name, end, item.name) : -1;
      const next = name + ((length + 7) & ~7);
      if (length < 0 || next > end) break;
      if (plus) {
        if (item.entry) this.#entry(at, item.entry);
        else this.#zero(at, ENTRY.size);
      }
      this.#u64(dirent + DIRENT.at.ino, item.ino);
      this.#u64(dirent + DIRENT.at.off, item.cookie);
      this.#words[(dirent + DIRENT.at.namelen) >> 2] = length;
      this.#words[(dirent + DIRENT.at.type) >> 2] = item.directory ? DT_DIR : DT_REG;
      for (let i = name + length; i < next; i++) this.bytes[i] = 0;
      at = next;
      packed++;
    }
    if (packed > 0) {
      const mean = (at - OUT.size) / packed - (plus ? structs.direntplus.size : DIRENT.size);
      this.#nameBytes += (mean - this.#nameBytes) / 8;
    }
    this.packed = packed;
    return at;
  }

  /** Writes a name. Returns its length in bytes, or −1 if it does not fit before `end`. */
  #name(at: number, end: number, name: string): number {
    const bytes = this.bytes;
    const length = name.length;
    if (at + length > end) return -1;
    for (let i = 0; i < length; i++) {
      const code = name.charCodeAt(i);
      if (code > 0x7f) {
        if (at + Buffer.byteLength(name) > end) return -1;
        return bytes.write(name, at, 'utf8');
      }
      bytes[at + i] = code;
    }
    return length;
  }

  #opened(start: number, fh: number, flags: number, backingId: number): number {
    const { at, size } = structs.open_out;
    this.#u64(start + at.fh, fh);
    this.#words[(start + at.open_flags) >> 2] = flags;
    this.#words[(start + at.padding) >> 2] = backingId;
    return start + size;
  }

  #entry(at: number, entry: Entry): void {
    this.#u64(at + ENTRY.at.nodeid, entry.node);
    this.#u64(at + ENTRY.at.generation, entry.generation ?? 0);
    this.#timeout(at + ENTRY.at.entry_valid, at + ENTRY.at.entry_valid_nsec, entry.entryTimeout);
    this.#timeout(at + ENTRY.at.attr_valid, at + ENTRY.at.attr_valid_nsec, entry.attributeTimeout);
    this.#attributes(at + ENTRY.at.attr, entry.attributes);
  }

  #attributes(at: number, found: Attributes): void {
    const words = this.#words;
    this.#u64(at + ATTR.ino, found.ino);
    this.#u64(at + ATTR.size, found.size);
    this.#u64(at + ATTR.blocks, Math.ceil(found.size / 512));
    this.#time(at + ATTR.atime, at + ATTR.atimensec, found.atime);
    this.#time(at + ATTR.mtime, at + ATTR.mtimensec, found.mtime);
    this.#time(at + ATTR.ctime, at + ATTR.ctimensec, found.ctime);
    words[(at + ATTR.mode) >> 2] = found.mode;
    words[(at + ATTR.nlink) >> 2] = found.nlink;
    words[(at + ATTR.uid) >> 2] = found.uid;
    words[(at + ATTR.gid) >> 2] = found.gid;
    words[(at + ATTR.rdev) >> 2] = 0;
    words[(at + ATTR.blksize) >> 2] = BLOCK_BYTES;
    words[(at + ATTR.flags) >> 2] = 0;
  }

  #time(seconds: number, nanoseconds: number, time: number): void {
    const whole = Math.floor(time);
    // A fraction such as .9999999999 rounds up to a whole second.
    const rest = Math.min(999_999_999, Math.round((time - whole) * 1e9));
    this.#u64(seconds, whole);
    this.#words[nanoseconds >> 2] = rest;
  }

  #timeout(seconds: number, nanoseconds: number, timeout: number): void {
    this.#time(seconds, nanoseconds, Math.min(FOREVER, Math.max(0, timeout)));
  }

  /** Also writes negative numbers (times before 1970), as two's complement. */
  #u64(at: number, value: number): void {
    this.#words[at >> 2] = value;
    this.#words[(at >> 2) + 1] = Math.floor(value / WORD);
  }

  #zero(at: number, size: number): void {
    this.#words.fill(0, at >> 2, (at + size) >> 2);
  }
}
