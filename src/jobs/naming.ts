import { Failure } from '../base/errors.js';
import { childPath, OWN_PREFIX } from '../endpoints/paths.js';
import type { TargetRules } from '../endpoints/target.js';
import { judgeName, judgePath, suggestName } from '../names/judge.js';
import type { NamePattern, PlatformRules } from '../names/platform.js';
import { encodingFor } from '../names/platform-encoding.js';

export interface NamingOptions {
  readonly rules: TargetRules;
  /** Characters and names that the destination forbids are replaced. */
  readonly transform: boolean;
  /** They are encoded instead, so that the original name can be decoded. */
  readonly encode: boolean;
  /** Names and paths that are too long are shortened. */
  readonly truncate: boolean;
  /** What to do with names that collide at the destination: append ` (1)`, ` (2)`, …, or fail. */
  readonly duplicates: 'rename' | 'warn';
}

export interface NamedItem {
  readonly name: string;
  /** Why the name differs from the one at the source, for the manifest. */
  readonly changed?: string;
}

/** Decodes a name of the destination; a name that was not encoded stays as it is. */
export const decodedName = (rules: TargetRules, name: string): string => encodingFor(withOwnNames(rules)).decode(name);

/**
 * Assigns names at the destination to the items of one folder. Assigned names differ from each other and from the taken
 * ones. The same calls in the same order give the same names; an item that was placed before keeps its name through its
 * record, which is among the taken ones.
 */
export class FolderNames {
  readonly #options: NamingOptions;
  readonly #rules: PlatformRules;
  readonly #parent: string;
  /** Key of a taken name as the destination compares it → the name. */
  readonly #taken = new Map<string, string>();
  /** Key of a name that was not free → the number to try next. */
  readonly #next = new Map<string, number>();

  /**
   * @param parent path of the folder from the destination's root; `''`: the root itself
   * @param taken names in the records of earlier runs, and of other items that are there
   */
  constructor(options: NamingOptions, parent: string, taken: Iterable<string>) {
    this.#options = options;
    this.#rules = withOwnNames(options.rules);
    this.#parent = parent;
    for (const name of taken) this.#taken.set(this.#compared(name), name);
  }

  /** @throws Failure `item-name-refused`: the item is to be flagged; no name is taken */
  place(name: string, folder: boolean): NamedItem {
    const reasons: string[] = [];
    const fitting = this.#cut(name, this.#allowed(name, reasons), folder, reasons);
    const ending = folder ? undefined : this.#restricted(fitting);
    if (ending !== undefined) throw this.#refused(name, `files that end with ${ending} are not taken`);
    const free = this.#free(name, fitting, folder, reasons);
    this.#taken.set(this.#compared(free), free);
    return free === name ? { name } : { name: free, changed: reasons.join('; ') };
  }

  /** The name with the allowed characters of the destination, of any length. */
  #allowed(name: string, reasons: string[]): string {
    const why = this.#breaks(name);
    let allowed = name;
    if (this.#options.encode) allowed = encodingFor(this.#rules).encode(name);
    if (this.#options.transform && this.#breaks(allowed) !== undefined) allowed = this.#replaced(allowed);
    const still = this.#breaks(allowed);
    if (still !== undefined) throw this.#refused(name, still);
    if (allowed !== name) reasons.push(why ?? 'it looks like an encoded name');
    return allowed;
  }

  #replaced(name: string): string {
    let replaced = name.replace(HALF_SURROGATES, '-');
    // One replacement may cause another: `aux ` without its blank is a device name.
    for (let round = 0; round < 4 && this.#breaks(replaced) !== undefined; round++)
      replaced = suggestName({ ...this.#rules, nameLength: undefined }, replaced);
    return replaced;
  }

  /** The rule that a name breaks, except length limits. */
  #breaks(name: string): string | undefined {
    if (name.search(HALF_SURROGATES) >= 0) return 'the name has half a character';
    return judgeName({ ...this.#rules, nameLength: undefined }, name)?.words;
  }

  #cut(name: string, allowed: string, folder: boolean, reasons: string[]): string {
    const why = this.#tooLong(allowed);
    if (why === undefined) return allowed;
    const cut = this.#options.truncate ? this.#shortened(allowed, '', folder) : undefined;
    if (cut === undefined) throw this.#refused(name, why);
    reasons.push(why);
    return cut;
  }

  #tooLong(name: string): string | undefined {
    const rules = this.#rules;
    const long = judgeName({ ...rules, characters: '', names: [], patterns: [] }, name);
    return (long ?? judgePath(rules, childPath(this.#parent, name)))?.words;
  }

  #restricted(name: string): string | undefined {
    const lower = name.toLowerCase();
    return this.#options.rules.restrictedTypes.find((ending) => lower.endsWith(ending));
  }

  #free(name: string, fitting: string, folder: boolean, reasons: string[]): string {
    const compared = this.#compared(fitting);
    const other = this.#taken.get(compared);
    if (other === undefined) return fitting;
    const why = other === fitting ? 'the name is taken there' : `"${other}" is the same name there`;
    if (this.#options.duplicates === 'warn') throw this.#refused(name, why);
    for (let number = this.#next.get(compared) ?? 1; ; number++) {
      const candidate = this.#shortened(fitting, ` (${number})`, folder);
      if (candidate === undefined) throw this.#refused(name, `${why}, and there is no room to number it`);
      if (this.#taken.has(this.#compared(candidate))) continue;
      this.#next.set(compared, number + 1);
      reasons.push(why);
      return candidate;
    }
  }

  /** Shortens the stem of a name until the name fits. `suffix` goes before the extension, which is kept. */
  #shortened(name: string, suffix: string, folder: boolean): string | undefined {
    const dot = folder ? -1 : name.lastIndexOf('.');
    const extension = dot > 0 && name.length - dot <= LONGEST_EXTENSION ? name.slice(dot) : '';
    const stem = name.slice(0, name.length - extension.length);
    const tail = suffix + extension;
    const whole = stem + tail;
    if (suffix !== '' && this.#isValid(whole)) return whole;
    // A limit of n keeps at most n code points, of two UTF-16 units each.
    const most = Math.max(this.#rules.nameLength?.most ?? 0, this.#rules.pathLength?.most ?? 0);
    if (most === 0) return undefined;
    const start = stem.slice(0, 2 * most + 2);
    for (const ends of [graphemeEnds, characterEnds])
      for (const end of ends(start).reverse()) {
        const kept = start.slice(0, end).trimEnd();
        if (kept !== '' && this.#isValid(kept + tail)) return kept + tail;
      }
    return undefined;
  }

  #isValid(name: string): boolean {
    return this.#tooLong(name) === undefined && this.#breaks(name) === undefined;
  }

  /**
   * Key that is equal for names that the destination treats as one. It may also be equal for names that differ there:
   * then a name only gets a number that it does not need.
   */
  #compared(name: string): string {
    const { caseInsensitive, normalizes } = this.#options.rules;
    if (!caseInsensitive) return normalizes ? name.normalize('NFC') : name;
    return name.normalize('NFC').toLowerCase().toUpperCase().normalize('NFC');
  }

  #refused(name: string, why: string): Failure {
    const path = childPath(this.#parent, name);
    return new Failure('item-name-refused', { platform: this.#rules.title, path, why });
  }
}

/** UTF-16 units, including the dot. A longer ending is part of a name with a dot in it. */
const LONGEST_EXTENSION = 32;

/** Unpaired surrogates: with the flag `u` a pair is one character of another category. */
const HALF_SURROGATES = /\p{Cs}/gu;

/** Names reserved for targets, in any case if the destination ignores case. */
const ownNames = (flags: string): NamePattern => ({
  rule: 'reserved-name',
  pattern: new RegExp(`^${OWN_PREFIX}`.replaceAll('.', '\\.'), flags),
  words: 'names like this one are for parts of files and for the trash',
  replacement: '_$&',
});
const OWN = { exact: ownNames('gu'), anyCase: ownNames('giu') };

const extended = {
  exact: new WeakMap<PlatformRules, PlatformRules>(),
  anyCase: new WeakMap<PlatformRules, PlatformRules>(),
};

function withOwnNames({ names, caseInsensitive }: TargetRules): PlatformRules {
  const kind = caseInsensitive ? 'anyCase' : 'exact';
  let own = extended[kind].get(names);
  if (!own) extended[kind].set(names, (own = { ...names, patterns: [...names.patterns, OWN[kind]] }));
  return own;
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** End offsets of grapheme clusters, the characters as people see them. */
const graphemeEnds = (text: string): number[] =>
  Array.from(segmenter.segment(text), ({ index, segment }) => index + segment.length);

function characterEnds(text: string): number[] {
  let end = 0;
  return Array.from(text, (character) => (end += character.length));
}
