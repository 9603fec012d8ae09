import { Failure, isFailure } from '../../base/errors.js';
import { childPath } from '../../endpoints/paths.js';
import type { TargetRules } from '../../endpoints/target.js';
import { foldCase } from '../../names/fold.js';
import type { EndpointItem } from '../endpoint.js';
import { FolderNames, type NamingOptions } from '../naming.js';
import { kindOf } from '../run/waiting.js';
import type { Records, TransferRecord } from '../store/records.js';
import type { Frame, Pair } from './frame.js';

export interface PairOptions {
  /** Rules for names at the destination and at the source. */
  readonly forward: NamingOptions;
  readonly backward: NamingOptions;
  /** Items that exist only at the destination are created at the source. */
  readonly bothWays: boolean;
  /** Records of the job that `names_from` names; undefined: no names are restored. */
  readonly original: Records | undefined;
}

/**
 * Pairs the items of one folder of both endpoints: by record, else by the name that an item gets at the other endpoint.
 * An item that is not listed under exactly that name is searched for under names that its endpoint treats as equal,
 * before it counts as missing. The pair has the names as they are listed.
 */
export function* pairsOf(
  frame: Frame,
  source: ReadonlyMap<string, EndpointItem>,
  destination: ReadonlyMap<string, EndpointItem>,
  records: ReadonlyMap<string, TransferRecord>,
  options: PairOptions,
): Generator<Pair> {
  const rules = [options.forward.rules, options.backward.rules];
  const compared = oneNameFor(rules);
  const matched = new Set<string>();
  const byOther = new Map<string, TransferRecord>();
  for (const record of records.values()) byOther.set(record.otherName, record);
  const matching = (pair: Pair): Pair => {
    matched.add(pair.otherName);
    return pair;
  };
  const originals = originalNames(frame, options.original);
  const firstOf = (name: string): { readonly first?: string } => {
    const first = originals.get(name);
    return first === undefined ? {} : { first };
  };
  // Items with a record are compared in NFC even if neither endpoint normalizes: a name in another Unicode form, which
  // no platform gives by itself, is still the same item.
  const composed = (name: string): string => compared(name.normalize('NFC'));
  const listedAs = {
    source: new Twins(source, records, composed),
    destination: new Twins(destination, byOther, composed),
  };
  const known = new Set(records.keys());
  for (const record of records.values()) {
    const atSource = source.get(record.name) ?? listedAs.source.take(record.name);
    const atDestination = destination.get(record.otherName) ?? listedAs.destination.take(record.otherName);
    const name = atSource?.name ?? record.name;
    const otherName = atDestination?.name ?? record.otherName;
    known.add(name);
    yield matching({
      ...firstOf(record.name),
      name,
      otherName,
      renamed: record.renamed ?? (name === otherName || record.name !== record.otherName ? undefined : LISTED_SO),
      source: atSource,
      destination: atDestination,
      record,
    });
  }

  const forward = new FolderNames(options.forward, frame.destination, [...byOther.keys(), ...matched]);
  const sameThere = rules.some(isLoose) ? new Twins(destination, matched, compared) : undefined;
  const fresh = [...source.values()].filter(({ name }) => !known.has(name));
  // Items with an exact match at the destination come before those that match in another form.
  if (sameThere) fresh.sort((a, b) => Number(destination.has(b.name)) - Number(destination.has(a.name)));
  for (const item of fresh) {
    if (item.unusable) {
      yield matching({ ...nowhere(item), source: item });
      continue;
    }
    const placed = place(forward, originals.get(item.name) ?? item.name, item.folder);
    const there = placed.why === undefined ? (destination.get(placed.name) ?? sameThere?.find(placed.name)) : undefined;
    const otherName = there?.name ?? placed.name;
    const renamed =
      placed.changed ??
      (originals.has(item.name) ? 'it gets its first name back' : undefined) ??
      (otherName === placed.name ? undefined : 'it is there in another form');
    yield matching({
      ...firstOf(item.name),
      name: item.name,
      otherName,
      renamed,
      source: item,
      destination: there,
      record: undefined,
      ...(placed.why === undefined ? {} : { unnamed: placed.why }),
    });
  }

  const backward = new FolderNames(options.backward, frame.source, [...source.keys(), ...records.keys()]);
  for (const item of destination.values()) {
    if (matched.has(item.name)) continue;
    if (item.unusable) {
      yield { ...nowhere(item), destination: item };
      continue;
    }
    const placed = options.bothWays
      ? place(backward, item.name, item.folder)
      : { name: item.name, changed: undefined, why: undefined };
    yield {
      name: placed.name,
      otherName: item.name,
      renamed: placed.changed,
      source: undefined,
      destination: item,
      record: undefined,
      ...(placed.why === undefined ? {} : { unnamed: placed.why }),
    };
  }
}

const LISTED_SO = 'it is listed there in another form';

type Rules = Pick<TargetRules, 'caseInsensitive' | 'normalizes'>;

const isLoose = ({ caseInsensitive, normalizes }: Rules): boolean => caseInsensitive || normalizes;

/** Returns a key function: names that at least one of the endpoints treats as equal have the same key. */
function oneNameFor(endpoints: readonly Rules[]): (name: string) => string {
  const folds = endpoints.some(({ caseInsensitive }) => caseInsensitive);
  const normalizes = endpoints.some((endpoint) => endpoint.normalizes);
  return (name) => {
    const composed = normalizes ? name.normalize('NFC') : name;
    return folds ? foldCase(composed) : composed;
  };
}

/** Finds items of a listing by key; items that others match by their exact name are left out. */
class Twins {
  readonly #items: ReadonlyMap<string, EndpointItem>;
  readonly #others: { has(name: string): boolean };
  readonly #compared: (name: string) => string;
  #found: Map<string, EndpointItem> | undefined;

  constructor(
    items: ReadonlyMap<string, EndpointItem>,
    others: { has(name: string): boolean },
    compared: (name: string) => string,
  ) {
    this.#items = items;
    this.#others = others;
    this.#compared = compared;
  }

  find(name: string): EndpointItem | undefined {
    if (!this.#found) {
      this.#found = new Map();
      for (const item of this.#items.values())
        if (!item.unusable && !this.#others.has(item.name)) this.#found.set(this.#compared(item.name), item);
    }
    return this.#found.get(this.#compared(name));
  }

  /** Like `find`, but each item is returned only once. */
  take(name: string): EndpointItem | undefined {
    const found = this.find(name);
    if (found) this.#found!.delete(this.#compared(name));
    return found;
  }
}

/** The pair of an item that cannot be transferred. */
const nowhere = (item: EndpointItem): Pair => ({
  name: item.name,
  otherName: item.name,
  renamed: undefined,
  source: undefined,
  destination: undefined,
  record: undefined,
  unnamed: whyUnusable(item),
});

/** Why an item cannot be transferred. */
export const whyUnusable = ({ unusable }: EndpointItem): string =>
  unusable === 'name' ? 'its name is not valid UTF-8' : 'it is neither a file nor a folder (a link, a device, …)';

interface Place {
  readonly name: string;
  readonly changed: string | undefined;
  readonly why: string | undefined;
}

function place(names: FolderNames, name: string, folder: boolean): Place {
  try {
    const { name: placed, changed } = names.place(name, folder);
    return { name: placed, changed, why: undefined };
  } catch (error) {
    if (!isFailure(error)) throw error;
    return { name, changed: undefined, why: error.line };
  }
}

/** Original names by the names that the other job assigned. */
function originalNames(frame: Frame, original: Records | undefined): ReadonlyMap<string, string> {
  if (!original || frame.original === undefined) return new Map();
  return new Map(
    [...original.ofFolder(frame.original).values()]
      .filter((record) => record.renamed !== undefined)
      .map((record) => [record.otherName, record.name]),
  );
}

/** The path of a folder below `frame` in the records of the job that `names_from` names. */
export const originalBelow = (frame: Frame, { name, first }: Pair): string | undefined =>
  frame.original === undefined ? undefined : childPath(frame.original, first ?? name);

/**
 * Collects a listing. A listing that fails midway counts as a failure, since it says nothing about the items that it
 * did not return.
 */
export async function listed(items: AsyncIterable<EndpointItem>, path: string): Promise<EndpointItem[]> {
  const found: EndpointItem[] = [];
  try {
    for await (const item of items) found.push(item);
  } catch (error) {
    if (isFailure(error, 'target-missing') || !isFailure(error) || kindOf(error) === 'final') throw error;
    throw new Failure('listing-incomplete', { path: path || '/' }, error);
  }
  return found;
}
