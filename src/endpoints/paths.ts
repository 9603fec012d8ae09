import { createHash } from 'node:crypto';
import { Failure } from '../base/errors.js';
import { judgeName, judgePath } from '../names/judge.js';
import { NAME_BYTES } from '../names/linux.js';
import type { SeenContent, TargetRules, WriteOptions } from './target.js';

/**
 * Prefix of the names that targets reserve for themselves, in any folder: a target may contain the root of another one.
 */
export const OWN_PREFIX = '.procorefs-';

/** Prefix of the names of incomplete files. */
export const PART_PREFIX = `${OWN_PREFIX}part-`;

/** Prefix of the names that older versions gave to detached items, which may never have been checked. */
export const FORMER_DETACHED_PREFIX = `${PART_PREFIX}aside-`;

/** The trash, below the root: items that jobs deleted or overwrote, in one folder a day. */
export const TRASH = `${OWN_PREFIX}trash`;

/** Days after which a part that was not continued is removed. */
export const PART_DAYS = 7;

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export const childPath = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

/** Whether an item belongs to this or another target itself, and is therefore hidden. */
export const isOwn = (name: string): boolean => name.startsWith(OWN_PREFIX);

/** The order of listings: by UTF-16 code units, as JavaScript compares strings. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** Identifies the content of one writer. */
export const contentKey = ({
  size,
  mtime,
  version,
  hash,
  writer,
}: Omit<WriteOptions, 'signal'>): readonly unknown[] => [size, mtime, version ?? hash?.value, writer];

/** Path of the part for a write: the same for the same name, content and writer. */
export function partPath(path: string, options: Omit<WriteOptions, 'signal'>): string {
  const key = JSON.stringify([nameOf(path), ...contentKey(options)]);
  const tag = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return childPath(parentOf(path), PART_PREFIX + tag);
}

/** Whether the bytes of an earlier attempt are the beginning of this content. Size and time cannot prove it. */
export const continues = ({ version, hash }: Omit<WriteOptions, 'signal'>): boolean =>
  version !== undefined || hash !== undefined;

/**
 * Refuses a path that is not below the root, wherever it comes from: remote names are untrusted input.
 * @throws Failure `target-name-refused`
 */
export function checkPath(path: string, target: string): void {
  if (path === '') return;
  for (const name of path.split('/'))
    if (name === '' || name === '.' || name === '..' || name.includes('\0') || /\p{Cs}/u.test(name))
      throw new Failure('target-name-refused', { target, path, why: 'it is no path below the root' });
}

/**
 * Checks the path of a new file or folder: below the root, not a reserved name, and valid by the rules.
 * @throws Failure `target-name-refused`
 */
export function checkNewPath(path: string, rules: TargetRules, target: string): void {
  checkPath(path, target);
  const refused = (why: string): Failure => new Failure('target-name-refused', { target, path, why });
  const names = path.split('/');
  if (names.some(isOwn)) throw refused('names like this one are for parts of files and for the trash');
  for (const name of names) {
    const refusal = judgeName(rules.names, name);
    if (refusal) throw refused(refusal.words);
  }
  const refusal = judgePath(rules.names, path);
  if (refusal) throw refused(refusal.words);
}

/** @throws Failure `target-name-refused`, `target-too-large` */
export function checkNewFile(path: string, { size }: WriteOptions, rules: TargetRules, target: string): void {
  if (path === '') throw new Failure('target-exists', { target, path: 'root' });
  checkNewPath(path, rules, target);
  const name = nameOf(path).toLowerCase();
  const type = rules.restrictedTypes.find((ending) => name.endsWith(ending));
  if (type !== undefined)
    throw new Failure('target-name-refused', { target, path, why: `files that end with ${type} are not taken` });
  if (rules.maxFileSize !== undefined && size > rules.maxFileSize)
    throw new Failure('target-too-large', { target, path, why: `${size} of at most ${rules.maxFileSize} bytes` });
}

/** Names that are tried in the trash. If a server reports all of them as taken, the move itself shows the error. */
const MOST_PLACES = 5000;

/**
 * A free path in the trash: `PATH`, `PATH (2)`, … Its parent folders exist or can be created: where an earlier file has
 * the name of a folder, the folder becomes `NAME (2)`.
 * @param look is only called for paths whose parent is a folder or does not exist, never below a file
 */
export async function trashPlace(
  path: string,
  date: string,
  look: (place: string) => Promise<{ readonly folder: boolean } | undefined>,
): Promise<string> {
  const names = path.split('/');
  let at = `${TRASH}/${date}`;
  for (const [depth, name] of names.entries()) {
    const isLast = depth === names.length - 1;
    for (let n = 1; ; n++) {
      const place = `${at}/${n === 1 ? name : numberedName(name, n)}`;
      const there = await look(place);
      if (!there || n === MOST_PLACES) return [place, ...names.slice(depth + 1)].join('/');
      if (isLast || !there.folder) continue;
      at = place;
      break;
    }
  }
  return at;
}

/** `NAME (2)`; a long name is cut, so that it stays valid everywhere. */
function numberedName(name: string, n: number): string {
  const suffix = ` (${n})`;
  const characters = [...name];
  while (Buffer.byteLength(characters.join('') + suffix) > NAME_BYTES) characters.pop();
  return characters.join('') + suffix;
}

/** Whether a name is that of a day's folder in the trash. */
export const isTrashDay = (name: string): boolean => /^\d{4}-\d\d-\d\d$/.test(name);

/**
 * Whether an item is in the state that was seen: by version or hash where both have one, else by size and time, within
 * the grain.
 */
export function isAsExpected(
  found: SeenContent | undefined,
  expected: SeenContent | null | undefined,
  grain: number,
): boolean {
  if (expected === undefined) return true;
  if (expected === null || found === undefined) return expected === null && found === undefined;
  if (found.size !== expected.size) return false;
  if (found.version !== undefined && expected.version !== undefined) return found.version === expected.version;
  if (found.hash && found.hash.kind === expected.hash?.kind) return found.hash.value === expected.hash.value;
  return found.mtime === undefined || expected.mtime === undefined || Math.abs(found.mtime - expected.mtime) <= grain;
}
