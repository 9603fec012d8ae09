import { oneLine } from '../base/text.js';
import type { LengthLimit, PlatformRules, RefusalRule } from './platform.js';

/** Why a platform refuses a name. */
export interface Refusal {
  readonly rule: RefusalRule;
  readonly errno: 'EINVAL' | 'ENAMETOOLONG';
  /** The rule in one line, safe to show. */
  readonly words: string;
}

const HALF_SURROGATE = /\p{Cs}/u;

/** The first rule that a name violates. Pure; takes a few microseconds. */
export function judgeName(rules: PlatformRules, name: string): Refusal | undefined {
  if (HALF_SURROGATE.test(name)) {
    const words = `${rules.title} takes only characters of Unicode in a name, no half of a surrogate pair`;
    return { rule: 'character', errno: 'EINVAL', words };
  }
  for (const character of name) {
    if (!rules.characters.includes(character)) continue;
    const words = `${rules.title} takes no ${shown(character)} in a name (none of ${list(rules.characters)})`;
    return { rule: 'character', errno: 'EINVAL', words };
  }
  if (rules.names.includes(name)) {
    const words = name === '' ? `${rules.title} takes no empty name` : `${rules.title} takes no name "${name}"`;
    return { rule: 'reserved-name', errno: 'EINVAL', words };
  }
  for (const { rule, pattern, words } of rules.patterns)
    if (name.search(pattern) >= 0) return { rule, errno: 'EINVAL', words };
  if (!fits(name, rules.nameLength)) {
    const words = `${rules.title} takes at most ${limitText(rules.nameLength!)} in a name`;
    return { rule: 'name-length', errno: 'ENAMETOOLONG', words };
  }
  return undefined;
}

/** Whether a path from the root (`a/b/c`) is short enough; `judgeName` checks its names one by one. */
export function judgePath(rules: PlatformRules, path: string): Refusal | undefined {
  if (fits(path, rules.pathLength)) return undefined;
  const words = `${rules.title} takes at most ${limitText(rules.pathLength!)} in a path from the project's root, this one has ${lengthOf(path, rules.pathLength!.unit)}`;
  return { rule: 'path-length', errno: 'ENAMETOOLONG', words };
}

/**
 * A name similar to the given one that `judgeName` accepts; the name itself if it is valid.
 * @param most maximum number of characters; the stem is cut, the extension stays
 */
export function suggestName(rules: PlatformRules, name: string, most?: number): string {
  const isBad = (character: string): boolean => rules.characters.includes(character) || HALF_SURROGATE.test(character);
  let valid = [...name].map((character) => (isBad(character) ? '-' : character)).join('');
  for (const { pattern, replacement } of rules.patterns) valid = valid.replace(pattern, replacement);
  const limits = [rules.nameLength, most === undefined ? undefined : ({ most, unit: 'characters' } as const)];
  for (const limit of limits) valid = cut(valid, limit, rules);
  return rules.names.includes(valid) ? `_${valid}` : valid;
}

function cut(name: string, limit: LengthLimit | undefined, rules: PlatformRules): string {
  if (fits(name, limit)) return name;
  const dot = name.lastIndexOf('.');
  const keep = dot > 0 && lengthOf(name.slice(dot), limit!.unit) < limit!.most ? name.slice(dot) : '';
  const stem = [...name.slice(0, name.length - keep.length)];
  for (;;) {
    stem.pop();
    // White space from inside the stem may now stand before the extension.
    const shorter = stem.join('').replace(/\p{White_Space}+$/u, '') + keep;
    if (
      stem.length <= 1 ||
      (fits(shorter, limit) && judgeName({ ...rules, nameLength: undefined }, shorter) === undefined)
    )
      return shorter;
  }
}

const fits = (text: string, limit: LengthLimit | undefined): boolean =>
  limit === undefined || lengthOf(text, limit.unit) <= limit.most;

function lengthOf(text: string, unit: LengthLimit['unit']): number {
  if (unit === 'bytes') return Buffer.byteLength(text);
  if (unit === 'utf16') return text.length;
  let characters = 0;
  for (const _ of text) characters++;
  return characters;
}

const limitText = ({ most, unit }: LengthLimit): string => `${most} ${unit === 'utf16' ? 'characters' : unit}`;

const shown = (characters: string): string => oneLine([...characters].join(' '));

function list(characters: string): string {
  const printable = characters.replace(/[\0-\x1f]/g, '');
  return characters.length - printable.length > 1 ? `${shown(printable)}, nor control characters` : shown(characters);
}
