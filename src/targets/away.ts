import { createHash, randomBytes } from 'node:crypto';
import { type Failure, isFailure } from '../base/errors.js';
import { conflictName } from '../outbox/conflict-name.js';
import { childPath, nameOf, PART_PREFIX, parentOf } from './paths.js';
import type { TargetItem } from './target.js';

// What is taken away is renamed first, and looked at where nobody finds it any more: between a look at a place and a
// change of it somebody may have put something else there, and then that goes back.

/** A hidden name beside an item, for as long as it is not sure what went. */
export const asidePath = (path: string): string =>
  childPath(parentOf(path), `${PART_PREFIX}aside-${randomBytes(6).toString('hex')}`);

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
    if (isFailure(error, 'target-missing')) return false;
    throw error;
  }
  try {
    if ((await movement.look(to, signal)) === seen) return true;
  } catch (error) {
    await bringBack(to, from, movement);
    throw error;
  }
  await bringBack(to, from, movement);
  throw changed;
}

/** Under its name, or under that of a conflict where somebody has taken it meanwhile. Not to be interrupted. */
export async function bringBack(from: string, path: string, { move, makeFolders }: Omit<Movement, 'look'>) {
  const { signal } = new AbortController();
  let place = path;
  let isMissing = false;
  for (let at = Date.now(); ; at += 1000) {
    try {
      return await move(from, place, signal);
    } catch (error) {
      if (isFailure(error, 'target-exists'))
        place = childPath(parentOf(path), conflictName(nameOf(path), new Date(at)));
      else if (isFailure(error, 'target-missing') && !isMissing) {
        // Its folder has gone.
        isMissing = true;
        await makeFolders(parentOf(path), signal);
      } else throw error;
    }
  }
}

/**
 * One word for all that is in a folder, the same as long as names, sizes and times are.
 * @param check asked about each item, a folder before what is in it
 * @param timed times stay when something is moved
 */
export async function lookBelow(
  folder: string,
  list: (folder: string) => AsyncIterable<TargetItem>,
  check: ((item: TargetItem) => void) | undefined,
  timed: boolean,
): Promise<string> {
  const hash = createHash('sha256');
  const look = async (path: string): Promise<void> => {
    const below: string[] = [];
    for await (const item of list(path)) {
      check?.(item);
      const { name, size, mtime } = item;
      hash.update(JSON.stringify([path.slice(folder.length), name, item.folder, size, item.folder || !timed || mtime]));
      if (item.folder) below.push(item.path);
    }
    for (const one of below) await look(one);
  };
  await look(folder);
  return hash.digest('hex');
}
