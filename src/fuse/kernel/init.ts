import { libc } from '../libc.js';
import { initFlag, initFlag2, PROTOCOL, structs } from './protocol.js';
import type { RequestBuffer } from './request.js';

export interface InitResult {
  /** The body of the reply. */
  readonly reply: Uint8Array;
  readonly minor: number;
  readonly passthrough: boolean;
}

/** The most pending background requests of the kernel (such as read-ahead). */
const MAX_BACKGROUND = 64;
const WANTED =
  initFlag.ASYNC_READ |
  initFlag.BIG_WRITES |
  initFlag.DO_READDIRPLUS |
  initFlag.ASYNC_DIO |
  initFlag.PARALLEL_DIROPS |
  initFlag.MAX_PAGES |
  initFlag.INIT_EXT;
/**
 * ATOMIC_O_TRUNC: O_TRUNC arrives with the open instead of after it. HANDLE_KILLPRIV_V2: the kernel need not request
 * security.capability before each write; set-id bits have no effect here, as mounts are `nosuid`.
 */
const WANTED_FOR_WRITING = initFlag.ATOMIC_O_TRUNC | initFlag.HANDLE_KILLPRIV_V2;

/**
 * Negotiates the protocol with the kernel. DO_READDIRPLUS without READDIRPLUS_AUTO: listings always contain attributes,
 * which cost nothing here and save the kernel a lookup per item. AUTO_INVAL_DATA stays off: a node is one immutable
 * version, and pages are invalidated explicitly.
 */
export function negotiate(
  incoming: RequestBuffer,
  options: { readonly wantPassthrough: boolean; readonly writable: boolean },
  maxTransfer: number,
): InitResult | Error {
  const at = structs.init_in.at;
  const major = incoming.u32(at.major);
  const minor = incoming.u32(at.minor);
  if (major !== PROTOCOL.major || minor < PROTOCOL.oldestMinor) {
    return new Error(`the kernel speaks FUSE ${major}.${minor}, which is too old`);
  }
  const offered = incoming.u32(at.flags);
  const offered2 = offered & initFlag.INIT_EXT ? incoming.u32(at.flags2) : 0;
  const flags = offered & (options.writable ? WANTED | WANTED_FOR_WRITING : WANTED);
  const passthrough = options.wantPassthrough && (offered2 & initFlag2.PASSTHROUGH) !== 0;

  const out = structs.init_out;
  const reply = Buffer.alloc(out.size);
  reply.writeUInt32LE(PROTOCOL.major, out.at.major);
  reply.writeUInt32LE(Math.min(minor, PROTOCOL.minor), out.at.minor);
  reply.writeUInt32LE(maxTransfer, out.at.max_readahead);
  reply.writeUInt32LE(flags >>> 0, out.at.flags);
  reply.writeUInt16LE(MAX_BACKGROUND, out.at.max_background);
  reply.writeUInt16LE((MAX_BACKGROUND * 3) / 4, out.at.congestion_threshold);
  reply.writeUInt32LE(maxTransfer, out.at.max_write);
  reply.writeUInt32LE(1, out.at.time_gran);
  reply.writeUInt16LE(Math.max(1, maxTransfer / libc.getpagesize()), out.at.max_pages);
  if (passthrough) {
    reply.writeUInt32LE(initFlag2.PASSTHROUGH, out.at.flags2);
    // max_stack_depth: the backing file may be on an ordinary file system, but not on another stacked one.
    reply.writeUInt32LE(1, out.at.unused);
  }
  return { reply, minor, passthrough };
}
