import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { ranSince } from '../base/process.js';
import { childPath, nameOf, OWN_PREFIX, parentOf } from './paths.js';

// What leaves its place has a hidden name beside it until it is sure that it is what was seen. The name says all that is
// needed to finish that without whoever began it: what it was called, what was seen, and who has it.

const ASIDE_PREFIX = `${OWN_PREFIX}aside-`;
/** Host, process, time and number; what was seen, and what the job's own bytes are; the name that it has otherwise. */
const ASIDE = new RegExp(
  `^${ASIDE_PREFIX.replaceAll('.', '\\.')}(([0-9a-f]{4})-([0-9a-z]+)-([0-9a-z]+)-[0-9a-z]+)-([0-9a-f]{8})-([0-9a-f]{8})-(.+)$`,
  's',
);
/** Bytes of a name aside: some file systems and servers take fewer than others. */
const MOST = 200;
/** After this what another machine has aside was left there, ms. */
const GIVEN_UP = 3600_000;

const digest = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

/** What an identity is shortened to. */
const tagOf = (identity: string | undefined): string => (identity === undefined ? '0'.repeat(8) : digest(identity, 8));

const HOST = digest(hostname(), 4);
/** What this process has aside and goes on with. */
const underWay = new Set<string>();
let count = 0;

export interface Aside {
  /** The name that it has otherwise. */
  readonly name: string;
  /** Whether it is what was seen before it was renamed. */
  isSeen(identity: string): boolean;
  /** Whether it is the job's own file, which was to take the name. */
  isOurs(identity: string): boolean;
  /** Somebody is about to bring it back or to take it away. */
  readonly isUnderWay: boolean;
}

/**
 * Has a path for an item that is to leave its place, for as long as `use` takes. What is still there afterwards was left
 * there, and is found by the next listing.
 * @param seen identifies what was seen at the place
 * @param ours identifies the file that is to take the name
 */
export async function aside<T>(
  path: string,
  { seen, ours }: { readonly seen: string; readonly ours?: string | undefined },
  use: (at: string) => Promise<T>,
): Promise<T> {
  const token = [HOST, process.pid.toString(36), Date.now().toString(36), (count++).toString(36)].join('-');
  const before = `${ASIDE_PREFIX}${token}-${tagOf(seen)}-${tagOf(ours)}-`;
  underWay.add(token);
  try {
    return await use(childPath(parentOf(path), before + shortened(nameOf(path))));
  } finally {
    underWay.delete(token);
  }
}

/** Undefined: it is no name of this kind. */
export function asideOf(name: string): Aside | undefined {
  const [, token, host, pid, since, seen, ours, former] = ASIDE.exec(name) ?? [];
  if (former === undefined) return undefined;
  return {
    name: former,
    isSeen: (identity) => tagOf(identity) === seen,
    isOurs: (identity) => tagOf(identity) === ours,
    get isUnderWay() {
      const time = Number.parseInt(since!, 36);
      if (host !== HOST) return Date.now() - time < GIVEN_UP;
      const process_ = Number.parseInt(pid!, 36);
      return process_ === process.pid ? underWay.has(token!) : ranSince(process_, time);
    },
  };
}

/** A name that leaves room for what stands before it: of a long one the beginning, the extension and a hash. */
function shortened(name: string): string {
  const room = MOST - ASIDE_PREFIX.length - 44;
  if (Buffer.byteLength(name) <= room) return name;
  const [, stem = name, extension = ''] = /^(.+)(\.[^.\s]{1,16})$/su.exec(name) ?? [];
  const end = `~${digest(name, 8)}${extension}`;
  const characters = [...stem];
  while (Buffer.byteLength(characters.join('') + end) > room) characters.pop();
  return characters.join('') + end;
}

/** Names that a target may take for one. */
const loose = (name: string): string => name.normalize('NFC').toLowerCase();

/**
 * Of the folder that was listed last, what was aside. Its listing alone does not tell: what is renamed in the middle of it
 * may show under neither name, and so the folder is looked into once more before anything counts as missing.
 */
export class Asides {
  #folder: string | undefined;
  #names = new Set<string>();
  #isSure = false;

  listed(folder: string, found: readonly Aside[]): void {
    this.#folder = folder;
    this.#names = namesOf(found);
    this.#isSure = false;
  }

  /** @param look what is aside in the item's folder now */
  async has(path: string, look: (folder: string) => Promise<readonly Aside[]>): Promise<boolean> {
    const folder = parentOf(path);
    const name = loose(shortened(nameOf(path)));
    if (folder === this.#folder && (this.#isSure || this.#names.has(name))) return this.#names.has(name);
    const names = namesOf(await look(folder));
    if (folder === this.#folder) {
      this.#names = new Set([...this.#names, ...names]);
      this.#isSure = true;
    }
    return names.has(name);
  }
}

const namesOf = (found: readonly Aside[]): Set<string> => new Set(found.map(({ name }) => loose(name)));
