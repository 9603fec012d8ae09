import { closeSync, write } from 'node:fs';
import { systemClock } from '../../base/clock.js';
import type { NodeId } from '../../base/ids.js';
import type { KernelCache } from '../filesystem.js';
import { libc, systemError } from '../libc.js';
import { notifyCode, structs } from './protocol.js';

const OUT = structs.out_header;
const INODE = structs.notify_inval_inode_out;
const ENTRY = structs.notify_inval_entry_out;

interface Notice {
  /** The node whose kernel locks the notification may wait for. */
  readonly node: NodeId;
  /** For an inode: the offset from which pages are dropped, −1 for attributes only. Undefined for an entry. */
  offset: number | undefined;
  readonly name: string | undefined;
  readonly since: number;
  /** Whether the kernel knew the node. */
  readonly done: Promise<boolean>;
  readonly resolve: (isKnown: boolean) => void;
}

/** From `fcntl.h`. */
const F_DUPFD_CLOEXEC = 1030;
/** Milliseconds for which a name may be held back before all names that the kernel has cached are expired. */
const PATIENCE_MS = 2_000;

/**
 * Sends notifications to the kernel. A notification waits in write(2) for the locks of the folder or the pages that it
 * concerns, and a pending request holds these. So notifications go through the thread pool, one at a time, and are held
 * back while a request on the same node is pending. Equal notifications are merged before they are sent. The notifier
 * has its own descriptor: if the device were closed, a write waiting in the pool would go to the file that then gets
 * the descriptor number.
 */
export class KernelNotifier implements KernelCache {
  readonly canInvalidate = true;
  /** Whether the kernel supports FUSE_NOTIFY_INC_EPOCH, which waits for no lock. */
  canExpireAll = false;
  readonly #waiting = new Map<string, Notice>();
  #sending = false;
  #closed = false;
  #cancelLook: (() => void) | undefined;
  readonly #fd: number;

  /** @param device which must stay open until the constructor returns */
  constructor(
    device: number,
    /** Whether a request on this node is pending. */
    private readonly busy: (node: NodeId) => boolean,
  ) {
    this.#fd = libc.fcntl(device, F_DUPFD_CLOEXEC, 0);
    if (this.#fd < 0) throw systemError('fcntl');
  }

  invalidateNode(node: NodeId, offset = 0): Promise<boolean> {
    const key = String(node);
    const waiting = this.#waiting.get(key);
    if (waiting?.offset === undefined) return this.#add(key, node, offset, undefined);
    // "Attributes only" (below 0) is included in every other offset.
    waiting.offset =
      waiting.offset < 0 || offset < 0 ? Math.max(waiting.offset, offset) : Math.min(waiting.offset, offset);
    // Moved behind the names added meanwhile: a name waits for readers of the folder, and the listing that they have
    // cached must be dropped after that.
    this.#waiting.delete(key);
    this.#waiting.set(key, waiting);
    return waiting.done;
  }

  async invalidateEntry(parent: NodeId, name: string): Promise<void> {
    const key = `${parent}/${name}`;
    await (this.#waiting.get(key)?.done ?? this.#add(key, parent, undefined, name));
  }

  /** To be called when requests were answered: sends what was held back for them. */
  released(): void {
    if (this.#waiting.size > 0) this.#next();
  }

  /** To be called when the mount has ended: the kernel has dropped everything. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#sending) closeSync(this.#fd);
    this.#cancelLook?.();
    for (const notice of this.#waiting.values()) notice.resolve(true);
    this.#waiting.clear();
  }

  #add(key: string, node: NodeId, offset: number | undefined, name: string | undefined): Promise<boolean> {
    if (this.#closed) return Promise.resolve(true);
    let resolve = (_: boolean): void => {};
    const done = new Promise<boolean>((settle) => {
      resolve = settle;
    });
    this.#waiting.set(key, { node, offset, name, since: systemClock.monotonic(), done, resolve });
    this.#next();
    return done;
  }

  #next(): void {
    if (this.#sending || this.#closed) return;
    let held = false;
    for (const [key, notice] of this.#waiting) {
      const keptBack = notice.offset !== undefined && notice.offset < 0 ? false : this.busy(notice.node);
      held ||= keptBack;
      if (keptBack) continue;
      this.#waiting.delete(key);
      this.#send(encode(notice), [notice]);
      return;
    }
    if (held) this.#outwait();
  }

  #send(message: Buffer, notices: readonly Notice[]): void {
    this.#sending = true;
    write(this.#fd, message, 0, message.length, null, (error) => {
      this.#sending = false;
      if (this.#closed) closeSync(this.#fd);
      for (const notice of notices) notice.resolve(error?.code !== 'ENOENT');
      this.#next();
    });
  }

  /** Expires all names in the kernel if names were held back too long, as requests in their folder never ceased. */
  #outwait(): void {
    if (!this.canExpireAll) return;
    const now = systemClock.monotonic();
    const names = [...this.#waiting].filter(([, notice]) => notice.name !== undefined);
    if (names.some(([, notice]) => now - notice.since >= PATIENCE_MS)) {
      for (const [key] of names) this.#waiting.delete(key);
      const message = Buffer.alloc(OUT.size);
      header(message, notifyCode.INC_EPOCH);
      this.#send(
        message,
        names.map(([, notice]) => notice),
      );
    } else if (names.length > 0) {
      this.#cancelLook ??= systemClock.after(PATIENCE_MS, () => {
        this.#cancelLook = undefined;
        this.#next();
      });
    }
  }
}

function encode(notice: Notice): Buffer {
  if (notice.name === undefined) {
    const message = Buffer.alloc(OUT.size + INODE.size);
    header(message, notifyCode.INVAL_INODE);
    message.writeBigUInt64LE(BigInt(notice.node), OUT.size + INODE.at.ino);
    message.writeBigInt64LE(BigInt(notice.offset ?? 0), OUT.size + INODE.at.off);
    message.writeBigInt64LE(0n, OUT.size + INODE.at.len);
    return message;
  }
  const name = Buffer.from(notice.name);
  const message = Buffer.alloc(OUT.size + ENTRY.size + name.length + 1);
  header(message, notifyCode.INVAL_ENTRY);
  message.writeBigUInt64LE(BigInt(notice.node), OUT.size + ENTRY.at.parent);
  message.writeUInt32LE(name.length, OUT.size + ENTRY.at.namelen);
  name.copy(message, OUT.size + ENTRY.size);
  return message;
}

/** The header of a notification: `unique` is 0, and the code is in the `error` field. */
function header(message: Buffer, code: number): void {
  message.writeUInt32LE(message.length, OUT.at.len);
  message.writeInt32LE(code, OUT.at.error);
}
