import { createHash } from 'node:crypto';
import { Failure } from '../base/errors.js';
import { judgeName, judgePath } from '../names/judge.js';
import { NAME_BYTES } from '../names/linux.js';
import type { SeenContent, TargetRules, WriteOptions } from './target.js';

/** Begins the names of what targets keep for themselves, in any folder: roots of targets lie in each other. */
export const OWN_PREFIX = '.procorefs-';

/** Begins the names of files that are not complete yet. */
export const PART_PREFIX = `${OWN_PREFIX}part-`;

/** Begins the names that older versions gave to what they moved aside, which nobody may have looked at. */
export const FORMER_ASIDE = `${PART_PREFIX}aside-`;

/** Below the root: what jobs deleted or overwrote, a folder a day. */
export const TRASH = `${OWN_PREFIX}trash`;

/** Days after which a part that nobody continued is removed. */
export const PART_DAYS = 7;

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export const childPath = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

/** Whether an item is this or another target's own, and no business of those who list it. */
export const isOwn = (name: string): boolean => name.startsWith(OWN_PREFIX);

/** The order in which targets list: that of UTF-16 code units, by which JavaScript compares strings. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** What tells content that one writer brings from any other. */
export const contentKey = ({
  size,
  mtime,
  version,
  hash,
  writer,
}: Omit<WriteOptions, 'signal'>): readonly unknown[] => [size, mtime, version ?? hash?.value, writer];

/** The part that a write of this content continues: the same for the same name and content of one writer. */
export function partPath(path: string, options: Omit<WriteOptions, 'signal'>): string {
  const key = JSON.stringify([nameOf(path), ...contentKey(options)]);
  const tag = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return childPath(parentOf(path), PART_PREFIX + tag);
}

/** Whether bytes that an attempt left are the beginning of this content. Size and time do not tell. */
export const continues = ({ version, hash }: Omit<WriteOptions, 'signal'>): boolean =>
  version !== undefined || hash !== undefined;

/**
 * Refuses what is no path below the root, whoever asks for it: remote names are hostile input.
 * @throws Failure `target-name-refused`
 */
export function checkPath(path: string, target: string): void {
  if (path === '') return;
  for (const name of path.split('/'))
    if (name === '' || name === '.' || name === '..' || name.includes('\0') || /\p{Cs}/u.test(name))
      throw new Failure('target-name-refused', { target, path, why: 'it is no path below the root' });
}

/**
 * A path that a new file or folder may have: below the root, not one of the target's own, and as the rules want it.
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

/** Names that are tried in the trash: of more, a server says that all of them are taken, and what is moved there tells. */
const MOST_PLACES = 5000;

/**
 * A place in the trash that is free: `PATH`, `PATH (2)`, … The folders above it are there or can be made: where a file
 * went before, a folder that had its name later is `NAME (2)`.
 * @param look is asked only about what is in a folder, or in one that is not there
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

/** `NAME (2)`; of a long name the beginning, so that it stays a name everywhere. */
function numberedName(name: string, n: number): string {
  const suffix = ` (${n})`;
  const characters = [...name];
  while (Buffer.byteLength(characters.join('') + suffix) > NAME_BYTES) characters.pop();
  return characters.join('') + suffix;
}

/** A day as the trash names its folders. */
export const isTrashDay = (name: string): boolean => /^\d{4}-\d\d-\d\d$/.test(name);

/** Whether what is there is what was seen: by version or hash where both have one, else by size and time, within the grain. */
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
