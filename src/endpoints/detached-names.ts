import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { isFailure } from '../base/errors.js';
import { ranSince } from '../base/process.js';
import { childPath, nameOf, OWN_PREFIX, parentOf } from './paths.js';
import type { Trash } from './target.js';

// What leaves its place has a hidden name beside it until it is sure that it is what was seen. The name says all that is
// needed to finish that without whoever began it: what it was called, what was seen, who has it, and how long it is to
// stay in the trash. Where that does not fit into one name, the hidden name is that of a folder, in which it keeps its own.

const ASIDE_PREFIX = `${OWN_PREFIX}aside-`;
const FOLDER = 'in-';
/**
 * Whether it is a folder; host, process, time and number; what was seen, and what the job's own bytes are; days in the
 * trash, and whose they are; the name that it has otherwise, or its digest.
 */
const ASIDE = new RegExp(
  `^${ASIDE_PREFIX.replaceAll('.', '\\.')}(${FOLDER})?(([0-9a-f]{4})-([0-9a-z]+)-([0-9a-z]+)-[0-9a-z]+)-([0-9a-f]{8})-([0-9a-f]{8})(?:-|~(\\d+)~([\\w-]+)~)(.+)$`,
  's',
);
/** Bytes of a name aside: some file systems and servers take fewer than others. */
const MOST_NAME_BYTES = 200;
/** After this what another machine has aside was left there, ms. */
const GIVEN_UP_MS = 3600_000;

const digest = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

/** What an identity is shortened to. */
const tagOf = (identity: string | undefined): string => (identity === undefined ? '0'.repeat(8) : digest(identity, 8));

const HOST = digest(hostname(), 4);
/** What this process has aside and goes on with. */
const underWay = new Set<string>();
let count = 0;

export interface DetachedName {
  /** The name that it has otherwise; undefined: it is in a folder, under this name. */
  readonly name: string | undefined;
  /** The same for all names that a target may take for this one. */
  readonly key: string;
  /** How long it is to stay in the trash, and for whom; undefined: it was to be gone. */
  readonly kept: Pick<Trash, 'days' | 'job'> | undefined;
  /** Whether it is what was seen before it was renamed. */
  isSeen(identity: string): boolean;
  /** Whether it is the job's own file, which was to take the name. */
  isOurs(identity: string): boolean;
  /** Somebody is about to bring it back or to take it away. */
  readonly isUnderWay: boolean;
}

/** What is to leave its place. */
export interface Leaver {
  /** Identifies what was seen at the place. */
  readonly seen: string;
  /** Identifies the file that is to take the name. */
  readonly ours?: string | undefined;
  readonly trash?: Trash | undefined;
}

/** How a target makes and removes the folder for what has a long name. */
export interface AsideFolders {
  make(folder: string): Promise<void>;
  /** If it is empty. */
  remove(folder: string): Promise<void>;
}

/**
 * Has a path for an item that is to leave its place, for as long as `use` takes. What is still there afterwards was left
 * there, and is found by the next listing.
 */
export async function aside<T>(
  path: string,
  { seen, ours, trash }: Leaver,
  folders: AsideFolders,
  use: (at: string) => Promise<T>,
): Promise<T> {
  const token = [HOST, process.pid.toString(36), Date.now().toString(36), (count++).toString(36)].join('-');
  const before = `${token}-${tagOf(seen)}-${tagOf(ours)}${trash ? `~${trash.days}~${trash.job}~` : '-'}`;
  const name = nameOf(path);
  const whole = ASIDE_PREFIX + before + name;
  underWay.add(token);
  try {
    if (Buffer.byteLength(whole) <= MOST_NAME_BYTES) return await use(childPath(parentOf(path), whole));
    const folder = childPath(parentOf(path), ASIDE_PREFIX + FOLDER + before + keyOf(name));
    await folders.make(folder);
    try {
      return await use(childPath(folder, name));
    } finally {
      // What cannot be removed now is by the next listing.
      await folders.remove(folder).catch((error: unknown) => {
        if (!isFailure(error)) throw error;
      });
    }
  } finally {
    underWay.delete(token);
  }
}

/** Undefined: it is no name of this kind. */
export function asideOf(name: string): DetachedName | undefined {
  const [, folder, token, host, pid, since, seen, ours, days, job, former] = ASIDE.exec(name) ?? [];
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

/** Of a name in any form and case that a target may take for it. */
const keyOf = (name: string): string => digest(name.normalize('NFC').toLowerCase(), 16);

/**
 * Of the folder that was listed last, what was aside. Its listing alone does not tell: what is renamed in the middle of it
 * may show under neither name, and so the folder is looked into once more before anything counts as missing.
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

  /** @param look what is aside in the item's folder now */
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
