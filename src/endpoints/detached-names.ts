import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { isFailure } from '../base/errors.js';
import { ranSince } from '../base/process.js';
import { childPath, nameOf, OWN_PREFIX, parentOf } from './paths.js';
import type { Trash } from './target.js';

// An item that is to be removed or replaced is detached: renamed to a hidden name beside its place until it is verified
// to be the one that was seen. The hidden name contains everything that another process needs to handle the item after
// a crash: its former name, the identity that was seen, the owning process, and how long it is kept in the trash. Where
// the former name does not fit, the hidden name is that of a folder, in which the item has its former name.

const DETACHED_PREFIX = `${OWN_PREFIX}aside-`;
const FOLDER = 'in-';
/**
 * Fields: whether it is a folder; host, process, time and number; the identity that was seen, and that of the job's own
 * bytes; days in the trash, and the job; the former name, or its digest.
 */
const DETACHED = new RegExp(
  `^${DETACHED_PREFIX.replaceAll('.', '\\.')}(${FOLDER})?(([0-9a-f]{4})-([0-9a-z]+)-([0-9a-z]+)-[0-9a-z]+)-([0-9a-f]{8})-([0-9a-f]{8})(?:-|~(\\d+)~([\\w-]+)~)(.+)$`,
  's',
);
/** Longest hidden name, bytes: some file systems and servers permit less than others. */
const MOST_NAME_BYTES = 200;
/** Age after which an item detached by another machine counts as abandoned, ms. */
const GIVEN_UP_MS = 3600_000;

const digest = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

/** Shortened digest of an identity. */
const tagOf = (identity: string | undefined): string => (identity === undefined ? '0'.repeat(8) : digest(identity, 8));

const HOST = digest(hostname(), 4);
/** Hidden names that this process is working on. */
const underWay = new Set<string>();
let count = 0;

export interface DetachedName {
  /** The former name; undefined: the hidden name is that of a folder that contains the item under its former name. */
  readonly name: string | undefined;
  /** Equal for all names that a target may treat as the former name. */
  readonly key: string;
  /** How long the item is kept in the trash, and for which job; undefined: it was to be removed for good. */
  readonly kept: Pick<Trash, 'days' | 'job'> | undefined;
  /** Whether the item is the one seen before the rename. */
  isSeen(identity: string): boolean;
  /** Whether the item is the job's own file, which was to take the name. */
  isOurs(identity: string): boolean;
  /** A process is about to put it back or to remove it. */
  readonly isUnderWay: boolean;
}

/** An item that is to be detached. */
export interface Leaver {
  /** Identity of the item that was seen at the path. */
  readonly seen: string;
  /** Identity of the file that is to take the name. */
  readonly ours?: string | undefined;
  readonly trash?: Trash | undefined;
}

/** How a target creates and removes the folder for an item with a long name. */
export interface DetachedFolders {
  make(folder: string): Promise<void>;
  /** Only if it is empty. */
  remove(folder: string): Promise<void>;
}

/**
 * Provides a hidden path for an item for the duration of `use`. An item that is still there afterwards counts as
 * abandoned and is handled by the next listing.
 */
export async function withHiddenPath<T>(
  path: string,
  { seen, ours, trash }: Leaver,
  folders: DetachedFolders,
  use: (at: string) => Promise<T>,
): Promise<T> {
  const token = [HOST, process.pid.toString(36), Date.now().toString(36), (count++).toString(36)].join('-');
  const before = `${token}-${tagOf(seen)}-${tagOf(ours)}${trash ? `~${trash.days}~${trash.job}~` : '-'}`;
  const name = nameOf(path);
  const whole = DETACHED_PREFIX + before + name;
  underWay.add(token);
  try {
    if (Buffer.byteLength(whole) <= MOST_NAME_BYTES) return await use(childPath(parentOf(path), whole));
    const folder = childPath(parentOf(path), DETACHED_PREFIX + FOLDER + before + keyOf(name));
    await folders.make(folder);
    try {
      return await use(childPath(folder, name));
    } finally {
      // A folder that cannot be removed now is removed by the next listing.
      await folders.remove(folder).catch((error: unknown) => {
        if (!isFailure(error)) throw error;
      });
    }
  } finally {
    underWay.delete(token);
  }
}

/** Undefined: not the name of a detached item. */
export function detachedNameOf(name: string): DetachedName | undefined {
  const [, folder, token, host, pid, since, seen, ours, days, job, former] = DETACHED.exec(name) ?? [];
  if (former === undefined) return undefined;
  return {
    ...(folder === undefined ? { name: former, key: keyOf(former) } : { name: undefined, key: former }),
    kept: job === undefined ? undefined : { days: Number(days), job },
    isSeen: (identity) => tagOf(identity) === seen,
    isOurs: (identity) => tagOf(identity) === ours,
    get isUnderWay() {
      const time = Number.parseInt(since!, 36);
      if (host !== HOST) return Date.now() - time < GIVEN_UP_MS;
      const process_ = Number.parseInt(pid!, 36);
      return process_ === process.pid ? underWay.has(token!) : ranSince(process_, time);
    },
  };
}

/** Digest of a name, independent of the form and case in which a target may treat it as the same. */
const keyOf = (name: string): string => digest(name.normalize('NFC').toLowerCase(), 16);

/**
 * The detached items of the folder that was listed last. A listing alone is not enough: an item that is renamed during
 * it may appear under neither name, so the folder is read once more before an item counts as missing.
 */
export class DetachedNames {
  #folder: string | undefined;
  #keys: ReadonlySet<string> = new Set();
  #isSure = false;

  listed(folder: string, found: readonly DetachedName[]): void {
    this.#folder = folder;
    this.#keys = keysOf(found);
    this.#isSure = false;
  }

  /** @param look lists the detached items that are in the item's folder now */
  async has(path: string, look: (folder: string) => Promise<readonly DetachedName[]>): Promise<boolean> {
    const folder = parentOf(path);
    const key = keyOf(nameOf(path));
    if (folder === this.#folder && (this.#isSure || this.#keys.has(key))) return this.#keys.has(key);
    const keys = keysOf(await look(folder));
    if (folder === this.#folder) {
      this.#keys = new Set([...this.#keys, ...keys]);
      this.#isSure = true;
    }
    return keys.has(key);
  }
}

const keysOf = (found: readonly DetachedName[]): ReadonlySet<string> => new Set(found.map(({ key }) => key));
