import { constants } from 'node:fs';
import type { FileNumber } from '../base/ids.js';
import type { Attributes } from '../fuse/filesystem.js';
import { READ_ONLY } from '../mirror/database/flags.js';
import type { ListedLocalItem } from '../outbox/tree/tree.js';
import { type Privacy, privateBits } from './privacy.js';

const { S_IFDIR, S_IFREG } = constants;

/** The owner of everything on the mount, and the permission bits that are removed. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  /** How private items are shown; default `owner`. */
  readonly privacy?: Privacy;
}

/**
 * `mtime` is the time of the current version and `ctime` that of the item's last change, so a move or a check-out does
 * not make rsync copy again. For a folder, both are also updated when its entries change here. Directories have 1 link,
 * which tells find(1) not to count subfolders.
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
