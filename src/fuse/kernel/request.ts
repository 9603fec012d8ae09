import { Failure } from '../../base/errors.js';
import { asNodeId, type NodeId } from '../../base/ids.js';
import type { Context } from '../filesystem.js';
import { structs } from './protocol.js';

const HEADER = structs.in_header.at;
const HEADER_SIZE = structs.in_header.size;
const WORD = 2 ** 32;
const NAME_MAX = 255;

/** A buffer that requests are read into, with typed access to the current request. */
export class RequestBuffer {
  readonly bytes: Buffer;
  readonly #words: Uint32Array;
  /** Length of the current request in bytes. */
  length = 0;

  constructor(size: number) {
    const memory = new ArrayBuffer(size);
    this.bytes = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
  }

  get opcode(): number {
    return this.#words[HEADER.opcode >> 2]!;
  }

  header(): FuseRequest {
    const words = this.#words;
    return new FuseRequest(
      words[HEADER.opcode >> 2]!,
      words[HEADER.unique >> 2]!,
      words[(HEADER.unique >> 2) + 1]!,
      asNodeId(words[HEADER.nodeid >> 2]! + words[(HEADER.nodeid >> 2) + 1]! * WORD),
      words[HEADER.uid >> 2]!,
      words[HEADER.gid >> 2]!,
      words[HEADER.pid >> 2]!,
    );
  }

  /** A field of the operation's own struct, at a byte offset in that struct. */
  u32(offset: number): number {
    return this.#words[(HEADER_SIZE + offset) >> 2]!;
  }

  /** As `u32`, for 64-bit fields; exact below 2^53. */
  u64(offset: number): number {
    const at = (HEADER_SIZE + offset) >> 2;
    return this.#words[at]! + this.#words[at + 1]! * WORD;
  }

  /** As `u64`, for signed fields (times before 1970). */
  i64(offset: number): number {
    const at = (HEADER_SIZE + offset) >> 2;
    return this.#words[at]! + (this.#words[at + 1]! | 0) * WORD;
  }

  /** Bytes after the operation's struct, not copied. */
  data(offset: number, size: number): Uint8Array {
    return this.bytes.subarray(HEADER_SIZE + offset, Math.min(this.length, HEADER_SIZE + offset + size));
  }

  /** The offset after the zero that ends the name at `offset`. */
  after(offset: number): number {
    return this.bytes.indexOf(0, HEADER_SIZE + offset) + 1 - HEADER_SIZE;
  }

  /**
   * The zero-terminated name at an offset; undefined if it is not UTF-8, as no item has such a name.
   *
   * @throws Failure name-too-long beyond 255 bytes; the kernel itself stops at 1,024
   */
  name(offset: number): string | undefined {
    const start = HEADER_SIZE + offset;
    let end = this.bytes.indexOf(0, start);
    if (end < 0 || end > this.length) end = this.length;
    if (end - start > NAME_MAX) throw new Failure('name-too-long');
    const text = this.bytes.toString('utf8', start, end);
    if (text.includes('\ufffd') && !Buffer.from(text).equals(this.bytes.subarray(start, end))) return undefined;
    return text;
  }
}

/** The header of a request: its number, node and caller. It is the `Context` passed to the file system. */
export class FuseRequest implements Context {
  /** A second node whose kernel locks the request holds (the target of a rename or copy). */
  other: NodeId | undefined;
  /** If set, an interrupt does not answer the request, but only asks the file system to end early. */
  patient = false;
  #controller: AbortController | undefined;
  #reason: unknown;

  constructor(
    readonly opcode: number,
    readonly uniqueLow: number,
    readonly uniqueHigh: number,
    readonly node: NodeId,
    readonly uid: number,
    readonly gid: number,
    readonly pid: number,
  ) {}

  /** The request's number, to which an interrupt refers. */
  get unique(): number {
    return this.uniqueLow + this.uniqueHigh * WORD;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get interrupted(): boolean {
    return this.#reason !== undefined;
  }

  interrupt(reason: unknown): void {
    this.#reason ??= reason;
    this.#controller?.abort(reason);
  }
}
