import { randomInt } from 'node:crypto';
import type { Inode, RemoteId } from '../../base/ids.js';
import type { Database } from '../../database/open.js';
import { LOCAL_INODES, mirrorInodeFrom } from './inode-ranges.js';

/** An item and its inode. */
export interface Binding {
  readonly inode: Inode;
  readonly remoteId: RemoteId;
}

/** Distinguishes a mirror from another one, and from an earlier copy of itself. */
export interface Numbers {
  /** Random, created with the database file. */
  readonly generation: number;
  /** The next free inode. Grows whenever an item gets one. */
  readonly next: number;
}

/** The generation of the mirror, created if there is none. It distinguishes this mirror from an earlier one. */
export function generationOf(db: Database): number {
  db.prepare("INSERT OR IGNORE INTO meta (key, value) VALUES ('generation', ?)").run(randomInt(1, 2 ** 47));
  return db.prepare<[], number>("SELECT value FROM meta WHERE key = 'generation'").pluck().get()!;
}

/** The first free inode of the mirror's own range. No inode is assigned twice. */
export function firstFreeInode(db: Database): number {
  const kept = db.prepare<[], number>("SELECT value FROM meta WHERE key = 'inode.next'").pluck().get();
  const last = db
    .prepare<[number, number], number>('SELECT coalesce(max(inode), 0) FROM items WHERE inode >= ? AND inode < ?')
    .pluck();
  const [first, second] = LOCAL_INODES;
  const used = Math.max(last.get(0, first.from)!, last.get(first.to, second.from)!);
  return mirrorInodeFrom(Math.max(16, kept ?? 0, used + 1));
}
