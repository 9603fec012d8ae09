import { rulesOf } from '../rules.js';
import type { HashKind, TargetRules } from '../target.js';
import type { StorageType } from './types.js';

/** The used members of a reply of `operations/fsinfo`. */
export interface FsInfo {
  readonly Features?: Readonly<Record<string, boolean>>;
  readonly Hashes?: readonly string[];
  /** Nanoseconds; a hundred years: times cannot be set. */
  readonly Precision?: number;
}

/** rclone's names of hashes. */
const KINDS: Readonly<Record<string, HashKind>> = {
  md5: 'md5',
  sha1: 'sha1',
  sha256: 'sha256',
  quickxor: 'quickxor',
  dropbox: 'dropbox',
  crc32: 'crc32',
};

const NO_TIMES = 100 * 365 * 86_400 * 1e9;

/** The rules derived from a storage's features. */
export function rulesFrom({ platform, storeTime }: StorageType, info: FsInfo): TargetRules {
  const { Features = {}, Hashes = [], Precision = NO_TIMES } = info;
  const grain = Precision >= NO_TIMES || storeTime ? undefined : Math.max(1e-6, Precision / 1e9);
  return rulesOf(platform, {
    caseInsensitive: Features.CaseInsensitive === true,
    // Not reported by rclone, and true for some servers (Nextcloud, a Mac).
    normalizes: true,
    emptyFolders: Features.CanHaveEmptyDirectories === true,
    timeGrain: grain ?? 1,
    setsTimes: grain !== undefined,
    hashes: Features.SlowHash === true ? [] : Hashes.flatMap((name) => KINDS[name] ?? []),
    replacesAtOnce: Features.BucketBased === true,
  });
}

export const hashKind = (name: string): HashKind | undefined => KINDS[name];
