import { creationPlaces, leftPlaces } from './attempt.js';
import { type Intent, NO_INODE, NO_REMOTE } from './intent.js';

/** Intents by the keys that a function gives for each. */
class IntentIndex<Key> {
  readonly #keysOf: (intent: Intent) => readonly Key[];
  /** Most keys have one intent, and a set takes several times as much memory. */
  readonly #found = new Map<Key, Intent | Set<Intent>>();

  constructor(keysOf: (intent: Intent) => readonly Key[]) {
    this.#keysOf = keysOf;
  }

  get isEmpty(): boolean {
    return this.#found.size === 0;
  }

  has(key: Key): boolean {
    return this.#found.has(key);
  }

  /** In the order in which they were added. */
  all(key: Key): Intent[] {
    const found = this.#found.get(key);
    return found instanceof Set ? [...found] : found ? [found] : [];
  }

  /** The intent that was added last. */
  last(key: Key): Intent | undefined {
    const found = this.#found.get(key);
    return found instanceof Set ? [...found].at(-1) : found;
  }

  add(intent: Intent): void {
    for (const key of this.#keysOf(intent)) {
      const found = this.#found.get(key);
      if (found instanceof Set) found.add(intent);
      else this.#found.set(key, found ? new Set([found, intent]) : intent);
    }
  }

  remove(intent: Intent): void {
    for (const key of this.#keysOf(intent)) {
      const found = this.#found.get(key);
      if (found === intent || (found instanceof Set && found.delete(intent) && found.size === 0))
        this.#found.delete(key);
    }
  }
}

/** The indexes of the intents, with the keys of an intent in each. @param fold makes names that are the same one equal */
export const indexesOf = (fold: (name: string) => string) => ({
  /** By the item of the server. */
  remote: new IntentIndex(({ remoteId }) => (remoteId === NO_REMOTE ? [] : [remoteId])),
  /** Items that are here, by their folder. */
  children: new IntentIndex(({ deleted, here }) => (deleted ? [] : [here.parent])),
  /** Items that are here, by `parent/name`. */
  place: new IntentIndex(({ deleted, here }) => (deleted ? [] : [fold(`${here.parent}/${here.name}`)])),
  /** Items that are or may be at a place at the server, and are elsewhere or deleted here, by `parent/name`. */
  left: new IntentIndex((intent) => leftPlaces(intent).map(fold)),
  /** Items by the folder that has them at the server. */
  based: new IntentIndex(({ base }) => (base.parent === NO_INODE ? [] : [base.parent])),
  /** Items that a call with unknown outcome may have put into a folder at the server, by the folder. */
  attempted: new IntentIndex(({ attempt: { goal } }) => (goal ? [goal.parent] : [])),
  /** New items that a call with unknown outcome may have created, by `creationPlaces`. */
  creation: new IntentIndex(creationPlaces),
  /** By the time of the last call with unknown outcome. */
  attempt: new IntentIndex(({ attempt: { at } }) => (at === 0 ? [] : [at])),
  /** Items whose content still comes from another file at the server, by that file. */
  content: new IntentIndex(({ content: { item, gaps }, remoteId }) => [
    ...(item === NO_REMOTE ? [] : [item]),
    ...(gaps && gaps.item !== remoteId && gaps.item !== item ? [gaps.item] : []),
  ]),
});
