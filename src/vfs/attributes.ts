import { constants } from 'node:fs';
import type { FileNumber } from '../base/ids.js';
import type { Attributes } from '../fuse/filesystem.js';
import { READ_ONLY } from '../mirror/database/flags.js';
import type { ListedLocalItem } from '../outbox/tree/tree.js';
import { type Privacy, privateBits } from './privacy.js';

const { S_IFDIR, S_IFREG } = constants;

/** Who owns everything on the mount, and which permission bits are taken away. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  /** What becomes of private items; `owner` unless told. */
  readonly privacy?: Privacy;
}

/**
 * `mtime` is when the current version was made and `ctime` when the item changed last, so a move or a check-out does
 * not make rsync copy again; of a folder both are also when something in it changed here. Directories say 1 link, which tells find(1) not to count subfolders.
 */
export function attributesOf(item: ListedLocalItem, ino: FileNumber, owner: Ownership): Attributes {
  const bits = item.isFile ? ((item.flags & READ_ONLY) !== 0 ? 0o444 : 0o666) : 0o777;
  const permitted = privateBits(item.flags, owner.privacy ?? 'owner');
  const mtime = item.localMtime ?? (item.isFile ? item.versionAt : item.updatedAt);
  return {
    ino,
    mode: (item.isFile ? S_IFREG : S_IFDIR) | ((item.localMode ?? bits & ~owner.umask) & permitted),
    nlink: 1,
    uid: owner.uid,
    gid: owner.gid,
    size: item.isFile ? item.size : 4096,
    atime: mtime,
    mtime,
    ctime: Math.max(item.updatedAt, item.localCtime ?? 0),
  };
}
