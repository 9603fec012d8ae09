import { createHash } from 'node:crypto';
import { type Failure, isFailure } from '../base/errors.js';
import { conflictName } from '../outbox/upload/conflict-name.js';
import { asideOf, type DetachedName } from './detached-names.js';
import { childPath, isOwn, nameOf, parentOf } from './paths.js';
import type { TargetItem, Trash } from './target.js';
import { UNNOTED_DAYS } from './trash.js';

// What is taken away is renamed first, and looked at where nobody finds it any more: between a look at a place and a
// change of it somebody may have put something else there, and then that goes back.

/** What a target can do for it. */
export interface Movement {
  /** Tells an item, with what is in it, from any other; undefined: there is none. */
  look(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** @throws Failure `target-exists`, `target-missing` */
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
}

/**
 * Moves an item away if it is the one that was looked at.
 * @param seen what `look` said of it
 * @param changed what is thrown if it was another one, which is back then
 * @returns false: there was none
 */
export async function takeAway(
  { from, to, seen }: { readonly from: string; readonly to: string; readonly seen: string },
  movement: Movement,
  changed: Failure,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await movement.move(from, to, signal);
  } catch (error) {
    if (!isFailure(error, 'target-missing')) throw error;
    // Where it was to go may be missing as well.
    if ((await movement.look(from, signal)) === undefined) return false;
    throw changed;
  }
  let found: string | undefined;
  try {
    found = await movement.look(to, signal);
  } catch (error) {
    await bringBack(to, from, movement);
    throw error;
  }
  if (found === seen) return true;
  // Somebody else may have brought it back by now.
  if (found !== undefined) await bringBack(to, from, movement);
  throw changed;
}

/** Names of conflicts that are tried: where so many seem to be taken, a file is in place of the folder. */
const MOST_NAMES = 100;

/** Under its name, or under that of a conflict where somebody has taken it meanwhile. Not to be interrupted. */
export async function bringBack(from: string, path: string, { move, makeFolders }: Omit<Movement, 'look'>) {
  const { signal } = new AbortController();
  let place = path;
  let isMissing = false;
  for (let at = Date.now(), tries = 0; ; at += 1000) {
    try {
      return await move(from, place, signal);
    } catch (error) {
      if (isFailure(error, 'target-exists') && tries++ < MOST_NAMES)
        place = childPath(parentOf(path), conflictName(nameOf(path), new Date(at)));
      else if (isFailure(error, 'target-missing') && !isMissing) {
        // Its folder has gone.
        isMissing = true;
        await makeFolders(parentOf(path), signal);
      } else throw error;
    }
  }
}

/** What is aside in a folder that was listed, and what of it nobody will finish. */
export function asidesIn(names: readonly string[]): {
  readonly all: readonly DetachedName[];
  readonly left: readonly string[];
} {
  const found = names.flatMap((name) => {
    const one = asideOf(name);
    return one ? [{ name, one }] : [];
  });
  return { all: found.map(({ one }) => one), left: found.flatMap(({ name, one }) => (one.isUnderWay ? [] : [name])) };
}

/** What a target can do to finish what somebody else began. */
export interface Finishing extends Movement {
  list(folder: string): AsyncIterable<TargetItem>;
  /** If it is empty. */
  removeFolder(folder: string): Promise<void>;
  throwAway(path: string, former: string, trash: Trash): Promise<void>;
}

/**
 * Finishes what somebody began who is gone: what was renamed before it was looked at comes back, unless it is what was
 * seen and has been replaced, or is the job's own file; that goes to the trash. Where that is not possible now, it stays.
 */
export async function finish(path: string, finishing: Finishing, signal: AbortSignal): Promise<void> {
  const one = asideOf(nameOf(path))!;
  const folder = parentOf(path);
  try {
    if (one.name !== undefined) return await finishOne(path, childPath(folder, one.name), one, finishing, signal);
    const items: TargetItem[] = [];
    for await (const item of finishing.list(path)) if (item.unusable !== 'name') items.push(item);
    for (const item of items) await finishOne(item.path, childPath(folder, item.name), one, finishing, signal);
    await finishing.removeFolder(path);
  } catch (error) {
    if (!isFailure(error) || error.code === 'target-unreachable') throw error;
  }
}

async function finishOne(path: string, former: string, one: DetachedName, finishing: Finishing, signal: AbortSignal) {
  const found = await finishing.look(path, signal);
  if (found === undefined) return;
  const isTaken = (await finishing.look(former, signal)) !== undefined;
  if (!one.isOurs(found) && !(isTaken && one.isSeen(found))) return bringBack(path, former, finishing);
  const day = new Date().toISOString().slice(0, 10);
  // Who did not want to keep it takes nothing from those who keep something in the same folder.
  const { days, job } = one.kept ?? { days: UNNOTED_DAYS, job: 'unknown' };
  await finishing.throwAway(path, former, { day, days, job, by: 'a run of a job that was ended' });
}

/**
 * Whether what is the target's own, or another one's that lies in it, keeps a folder from going: what is aside is somebody's,
 * and a trash goes nowhere but into the trash.
 */
export const holdsBack = (name: string, hasTrash: boolean): boolean => asideOf(name) !== undefined || !hasTrash;

/** A folder that was moved away, and how it is emptied. */
export interface Emptying {
  list(folder: string): AsyncIterable<TargetItem>;
  removeFile(path: string): Promise<void>;
  /** With what is the target's own in it. @throws Failure `target-not-empty` */
  removeFolder(path: string): Promise<void>;
}

/**
 * Removes a folder that was moved from `as` to `away`, item by item: who still works in it may have put something there.
 * @param isSeen asked about each item by its former path, a folder before what is in it
 * @returns the former path of something that stays; undefined: all of it is gone
 */
export async function removeSeen(
  away: string,
  as: string,
  isSeen: (item: TargetItem) => boolean,
  emptying: Emptying,
): Promise<string | undefined> {
  let left: string | undefined;
  const items: TargetItem[] = [];
  for await (const item of emptying.list(away)) items.push(item);
  const seen = items.filter((item) => {
    const former = childPath(as, item.name);
    if (isSeen({ ...item, path: former })) return true;
    left ??= former;
    return false;
  });
  for (const { path, name, folder } of seen)
    if (folder) left = (await removeSeen(path, childPath(as, name), isSeen, emptying)) ?? left;
    else await emptying.removeFile(path);
  if (left !== undefined) return left;
  try {
    await emptying.removeFolder(away);
    return undefined;
  } catch (error) {
    if (!isFailure(error, 'target-not-empty')) throw error;
    return as;
  }
}

/**
 * One word for all that is in a folder, the same as long as names and identities are.
 * @param check asked about each item, a folder before what is in it
 * @param identity tells a file from another one, also after it was moved
 */
export async function lookBelow(
  folder: string,
  list: (folder: string) => AsyncIterable<TargetItem>,
  check: ((item: TargetItem) => void) | undefined,
  identity: (file: TargetItem) => unknown,
): Promise<string> {
  const hash = createHash('sha256');
  const look = async (path: string): Promise<void> => {
    const below: string[] = [];
    for await (const item of list(path)) {
      check?.(item);
      hash.update(JSON.stringify([path.slice(folder.length), item.name, item.folder || identity(item)]));
      if (item.folder && !isOwn(item.name)) below.push(item.path);
    }
    for (const one of below) await look(one);
  };
  await look(folder);
  return hash.digest('hex');
}
