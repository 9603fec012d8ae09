import type { ConflictResolution } from '#src/jobs/definition/conflicts.js';
import type { DeletePropagation, TransferType } from '#src/jobs/definition/words.js';

/** A file: what it holds, and when it was changed. */
export interface Version {
  readonly content: string;
  readonly time: number;
}

export type Tree = { [name: string]: Version | Tree };

interface Known {
  readonly a: Version | 'folder';
  readonly b: Version | 'folder';
}

export interface Combination {
  readonly type: TransferType;
  readonly conflicts: ConflictResolution;
  readonly deletions: DeletePropagation;
}

export interface ReferenceOptions extends Combination {
  /** Left out by the filters of the job. */
  readonly excluded: (name: string) => boolean;
  /** The name that an item of `a` has in `b`. */
  readonly other: (name: string) => string;
}

const isFile = (item: Version | Tree | undefined): item is Version =>
  item !== undefined && typeof (item as Version).content === 'string';
const isFolder = (item: Version | Tree | undefined): item is Tree => item !== undefined && !isFile(item);

/**
 * What a run must make of two trees, after the words of the job model: whole trees in memory, contents compared as such,
 * no plan, no order of work. `a` is the source.
 */
export class Reference {
  readonly #o: ReferenceOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: ReferenceOptions) {
    this.#o = options;
  }

  run(a: Tree, b: Tree): void {
    this.#folder('', a, b);
  }

  /** `undefined`: the folder is not on that side; what comes into it makes it. */
  #folder(path: string, a: Tree | undefined, b: Tree | undefined): { a?: Tree; b?: Tree } {
    const { other, excluded } = this.#o;
    const back = new Map(Object.keys(a ?? {}).map((name) => [other(name), name]));
    for (const key of this.#known.keys()) if (parentOf(key) === path) back.set(other(nameOf(key)), nameOf(key));
    const names = new Set([...back.values(), ...Object.keys(b ?? {}).map((name) => back.get(name) ?? name)]);
    const sides = { a, b };
    for (const name of names) {
      if (excluded(name)) continue;
      const key = `${path}/${name}`;
      const [here, there] = [sides.a?.[name], sides.b?.[other(name)]];
      const isMixed = (isFile(here) && isFolder(there)) || (isFolder(here) && isFile(there));
      if (isMixed) continue;
      const put = (side: 'a' | 'b', item: Version | Tree | undefined): void => {
        const at = side === 'a' ? name : other(name);
        if (item === undefined) delete sides[side]?.[at];
        else (sides[side] ??= {})[at] = item;
      };
      const known = this.#known.get(key);
      const wasFolder = known?.a === 'folder';
      if (known && (here ?? there) && wasFolder !== isFolder(here ?? there)) this.#forget(key);
      if (isFolder(here) || isFolder(there) || (!here && !there && wasFolder)) this.#inner(key, here, there, put);
      else this.#file(key, here as Version | undefined, there as Version | undefined, put, sides);
    }
    return sides as { a?: Tree; b?: Tree };
  }

  #inner(
    key: string,
    here: Tree | Version | undefined,
    there: Tree | Version | undefined,
    put: (side: 'a' | 'b', item: Tree | undefined) => void,
  ): void {
    const { type, deletions } = this.#o;
    const known = this.#known.get(key) !== undefined;
    const after = this.#folder(key, here as Tree | undefined, there as Tree | undefined);
    if (!here && !there && !after.a && !after.b) {
      this.#forget(key);
      return;
    }
    const empty = (tree: Tree | undefined): boolean => Object.keys(tree ?? {}).length === 0;
    if (here && !there) {
      const goes = type === 'sync' && known && ['mirror', 'ignore_source'].includes(deletions);
      if (goes && empty(after.a)) {
        put('a', undefined);
        this.#forget(key);
        return;
      }
      if (!(type === 'migrate' && known)) after.b ??= {};
    }
    if (there && !here) {
      const isCarried = ['mirror', 'ignore_destination'].includes(deletions) && !['move', 'migrate'].includes(type);
      if ((type === 'publish' || (known && isCarried)) && empty(after.b)) {
        put('b', undefined);
        this.#forget(key);
        return;
      }
      if (type === 'sync') after.a ??= {};
    }
    if (type === 'move' && after.a && after.b && empty(after.a)) {
      put('a', undefined);
      if (after.b) put('b', after.b);
      this.#forget(key);
      return;
    }
    if (after.a) put('a', after.a);
    if (after.b) put('b', after.b);
    if (after.a && after.b) this.#known.set(key, { a: 'folder', b: 'folder' });
  }

  #file(
    key: string,
    here: Version | undefined,
    there: Version | undefined,
    put: (side: 'a' | 'b', item: Version | undefined) => void,
    sides: { a?: Tree | undefined; b?: Tree | undefined },
  ): void {
    const { type, deletions } = this.#o;
    if (type === 'taxonomy') return;
    const known = this.#known.get(key);
    const over = (side: 'a' | 'b', item: Version): void => {
      put(side, item);
      this.#known.set(key, { a: item, b: item });
      if (type === 'move') {
        put('a', undefined);
        this.#forget(key);
      }
    };
    if (!here && !there) {
      this.#forget(key);
      return;
    }
    if (known && type === 'migrate') return;
    if (here && there) {
      if (same(here, there)) {
        over('b', here);
        return;
      }
      if (type === 'publish') {
        over('b', here);
        return;
      }
      const [newHere, newThere] = [!known || !same(here, known.a), !known || !same(there, known.b)];
      if (newHere && !newThere) {
        over('b', here);
        return;
      }
      if (newThere && !newHere) {
        if (type === 'sync') over('a', there);
        return;
      }
      if (newHere) this.#conflict(key, here, there, over, sides);
      return;
    }
    if (here) {
      const isUnchanged = known !== undefined && same(here, known.a);
      if (type === 'sync' && isUnchanged && ['mirror', 'ignore_source'].includes(deletions)) {
        put('a', undefined);
        this.#forget(key);
        return;
      }
      over('b', here);
      return;
    }
    const isUnchanged = known !== undefined && same(there!, known.b);
    const isCarried = isUnchanged && ['mirror', 'ignore_destination'].includes(deletions) && type !== 'move';
    if (type === 'publish' || isCarried) {
      put('b', undefined);
      this.#forget(key);
      return;
    }
    if (type === 'sync') over('a', there!);
  }

  #conflict(
    key: string,
    here: Version,
    there: Version,
    over: (side: 'a' | 'b', item: Version) => void,
    sides: { a?: Tree | undefined; b?: Tree | undefined },
  ): void {
    const { type, conflicts, other } = this.#o;
    if (conflicts === 'failure') return;
    const later = here.time >= there.time ? 'a' : 'b';
    const winner =
      conflicts === 'source'
        ? 'a'
        : conflicts === 'destination'
          ? 'b'
          : conflicts === 'copy' && type !== 'sync'
            ? 'a'
            : later;
    if (winner === 'b' && type !== 'sync') {
      if (type !== 'move') this.#known.set(key, { a: here, b: there });
      return;
    }
    const [loser, lost, side] = winner === 'a' ? (['b', there, 'b'] as const) : (['a', here, 'a'] as const);
    if (conflicts === 'copy') {
      const name = loser === 'a' ? nameOf(key) : other(nameOf(key));
      const dot = name.lastIndexOf('.');
      sides[loser]![`${name.slice(0, dot)} (conflict)${name.slice(dot)}`] = lost;
    }
    over(side, winner === 'a' ? here : there);
  }

  #forget(key: string): void {
    for (const one of [...this.#known.keys()]) if (one === key || one.startsWith(`${key}/`)) this.#known.delete(one);
  }
}

const same = (one: Version, other: Version | 'folder'): boolean => other !== 'folder' && one.content === other.content;
const parentOf = (key: string): string => key.slice(0, key.lastIndexOf('/'));
const nameOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

/** `path` → content; empty folders end in `/`. */
export function flat(tree: Tree, path = ''): Record<string, string> {
  const found: Record<string, string> = {};
  const names = Object.keys(tree);
  if (names.length === 0 && path !== '') found[path] = '';
  for (const name of names) {
    const item = tree[name]!;
    if (isFile(item)) found[path + name] = item.content;
    else Object.assign(found, flat(item, `${path}${name}/`));
  }
  return found;
}
