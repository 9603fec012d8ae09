import { createHash } from 'node:crypto';
import { type Failure, isFailure } from '../base/errors.js';
import { conflictName } from '../outbox/upload/conflict-name.js';
import { type DetachedName, detachedNameOf } from './detached-names.js';
import { childPath, isOwn, nameOf, parentOf } from './paths.js';
import type { TargetItem, Trash } from './target.js';
import { UNNOTED_DAYS } from './trash.js';

// An item is detached before it is removed: it is renamed to a hidden name and then checked again. Between the check of
// a place and its change another process may have put another item there; that item is put back.

/** The operations of a target that this needs. */
export interface Movement {
  /** Identity of an item with its content; undefined: there is no item. */
  look(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** @throws Failure `target-exists`, `target-missing` */
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
}

/**
 * Moves an item away if it is the one that was seen.
 * @param seen the result of `look` for it
 * @param changed thrown if it was another item, which is put back first
 * @returns false: there was no item
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
    // The destination folder may be missing as well.
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
  // Another process may have put it back by now.
  if (found !== undefined) await bringBack(to, from, movement);
  throw changed;
}

/** Conflict names that are tried: if all seem taken, a file exists in place of the folder. */
const MOST_NAMES = 100;

/**
 * Puts an item back under its name, or under a conflict name where the name is taken meanwhile. Must not be
 * interrupted.
 */
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
        // Its folder was removed.
        isMissing = true;
        await makeFolders(parentOf(path), signal);
      } else throw error;
    }
  }
}

/** Detached items of a listed folder, and those that their process no longer handles. */
export function detachedIn(names: readonly string[]): {
  readonly all: readonly DetachedName[];
  readonly left: readonly string[];
} {
  const found = names.flatMap((name) => {
    const one = detachedNameOf(name);
    return one ? [{ name, one }] : [];
  });
  return { all: found.map(({ one }) => one), left: found.flatMap(({ name, one }) => (one.isUnderWay ? [] : [name])) };
}

/** The operations of a target for detached items of other processes. */
export interface Finishing extends Movement {
  list(folder: string): AsyncIterable<TargetItem>;
  /** Only if it is empty. */
  removeFolder(folder: string): Promise<void>;
  throwAway(path: string, former: string, trash: Trash): Promise<void>;
}

/**
 * Handles items that were detached by a process that no longer runs. An item that was not yet checked is put back. An
 * item that is the one seen and was replaced, or is the job's own file, goes to the trash. Where neither is possible
 * now, the item stays detached.
 */
export async function finish(path: string, finishing: Finishing, signal: AbortSignal): Promise<void> {
  const one = detachedNameOf(nameOf(path))!;
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
  // A job that keeps no trash must not shorten the trash time of another job that uses the same folder.
  const { days, job } = one.kept ?? { days: UNNOTED_DAYS, job: 'unknown' };
  await finishing.throwAway(path, former, { day, days, job, by: 'a run of a job that was ended' });
}

/**
 * Whether an item with a target's own name prevents the removal of its folder: a detached item is in use, and a trash
 * may only be moved into the trash.
 */
export const holdsBack = (name: string, hasTrash: boolean): boolean => detachedNameOf(name) !== undefined || !hasTrash;

/** A folder that was moved away, and the operations to empty it. */
export interface Emptying {
  list(folder: string): AsyncIterable<TargetItem>;
  removeFile(path: string): Promise<void>;
  /** Including the target's own items in it. @throws Failure `target-not-empty` */
  removeFolder(path: string): Promise<void>;
}

/**
 * Removes a folder that was moved from `as` to `away`, item by item: a process that still works in it may have added
 * items.
 * @param isSeen called for each item with its former path, a folder before its content
 * @returns the former path of an item that stays; undefined: all of it is removed
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
 * A digest of everything in a folder, equal as long as names and identities are.
 * @param check called for each item, a folder before its content
 * @param identity tells a file from another one, also after a move
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
