import { randomInt } from 'node:crypto';
import type { Inode, RemoteId } from '../../base/ids.js';
import type { Database } from '../../database/open.js';
import { LOCAL_INODES, mirrorInodeFrom } from './inode-ranges.js';

/** An item's number here, and the item. */
export interface Binding {
  readonly inode: Inode;
  readonly remoteId: RemoteId;
}

/** Tells a mirror from another one, and from itself as it was earlier. */
export interface Numbers {
  /** Made with the file. */
  readonly generation: number;
  /** Grows whenever an item gets a number. */
  readonly next: number;
}

/** By which an older copy of the mirror is told from this one. */
export function generationOf(db: Database): number {
  db.prepare("INSERT OR IGNORE INTO meta (key, value) VALUES ('generation', ?)").run(randomInt(1, 2 ** 47));
  return db.prepare<[], number>("SELECT value FROM meta WHERE key = 'generation'").pluck().get()!;
}

/** Of the mirror's own; no number is given twice. */
export function firstFreeInode(db: Database): number {
  const kept = db.prepare<[], number>("SELECT value FROM meta WHERE key = 'inode.next'").pluck().get();
  const last = db
    .prepare<[number, number], number>('SELECT coalesce(max(inode), 0) FROM items WHERE inode >= ? AND inode < ?')
    .pluck();
  const [first, second] = LOCAL_INODES;
  const used = Math.max(last.get(0, first.from)!, last.get(first.to, second.from)!);
  return mirrorInodeFrom(Math.max(16, kept ?? 0, used + 1));
}
