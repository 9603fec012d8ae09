import { Failure } from '../base/errors.js';
import { matchSequence } from '../names/sequence.js';

/**
 * Globs over names and paths: `*` any characters, `?` one, `[a-z]` and `[!a-z]` one of a set, `{a,b}` either, `**` as a
 * whole part of a path any folders, also none; `\` before a character takes it as it is. A leading dot is a character
 * like others. A name that is the pattern, letter for letter, matches as well.
 *
 * Matching takes time in proportion to name × pattern, never more: globs made into regular expressions backtrack, and
 * names that others chose would hold up the whole program.
 */
export interface Glob {
  matches(path: string): boolean;
  /** Whether something below this folder can match. */
  mayMatchBelow(folder: string): boolean;
  /** How many patterns its braces stand for; each costs room, and time at each name. */
  readonly alternatives: number;
  /** Of all of these. */
  readonly characters: number;
}

/** @throws Failure `job-refused`: it is too long, or its braces stand for too many patterns */
export function compileGlob(pattern: string): Glob {
  if (pattern.length > LONGEST_PATTERN)
    throw new Failure('job-refused', { why: `a pattern has over ${LONGEST_PATTERN} characters` });
  const literal = pattern.normalize();
  const expanded = expandBraces(literal);
  const alternatives = expanded.map((glob) => glob.split('/').map(compilePart));
  return {
    alternatives: alternatives.length,
    characters: expanded.reduce((sum, { length }) => sum + length, 0),
    matches(path) {
      const names = path.normalize();
      return names === literal || alternatives.some((parts) => matchAll(parts, names.split('/')));
    },
    mayMatchBelow(folder) {
      const names = folder.normalize().split('/');
      return alternatives.some((parts) => mayLeadOn(parts, names));
    },
  };
}

type Token = 'star' | ((character: string) => boolean);
type Part = 'folders' | ((name: string) => boolean);

export const LONGEST_PATTERN = 1000;
const MOST_ALTERNATIVES = 1000;

const matchAll = (parts: readonly Part[], names: readonly string[]): boolean =>
  matchSequence(
    parts.length,
    (index) => parts[index] === 'folders',
    (index, name) => (parts[index] as (name: string) => boolean)(name),
    names,
  );

function mayLeadOn(parts: readonly Part[], names: readonly string[]): boolean {
  const open = parts.indexOf('folders');
  if (open < 0 && names.length >= parts.length) return false;
  const fixed = parts.slice(0, open < 0 ? names.length : open) as ((name: string) => boolean)[];
  return fixed.slice(0, names.length).every((fits, index) => fits(names[index]!));
}

function compilePart(part: string): Part {
  if (part === '**') return 'folders';
  const tokens = tokensOf([...part]);
  return (name) =>
    matchSequence(
      tokens.length,
      (index) => tokens[index] === 'star',
      (index, character) => (tokens[index] as (character: string) => boolean)(character),
      [...name],
    );
}

function tokensOf(pattern: readonly string[]): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!;
    const set = character === '[' ? setAt(pattern, at) : undefined;
    if (set) {
      tokens.push(set.holds);
      at = set.end;
    } else if (character === '*') tokens.push('star');
    else if (character === '?') tokens.push(() => true);
    else {
      const own = character === '\\' && at + 1 < pattern.length ? pattern[++at]! : character;
      tokens.push((other) => other === own);
    }
  }
  return tokens;
}

/** The set that begins at a `[`; undefined: it is not closed and means itself. A `]` that comes first is in the set. */
function setAt(
  pattern: readonly string[],
  start: number,
): { holds: (text: string) => boolean; end: number } | undefined {
  const negated = pattern[start + 1] === '!' || pattern[start + 1] === '^';
  const first = start + (negated ? 2 : 1);
  const end = pattern.indexOf(']', first + 1);
  if (end < 0) return undefined;
  const ranges: [string, string][] = [];
  for (let at = first; at < end; at++) {
    const from = pattern[at]!;
    if (pattern[at + 1] === '-' && at + 2 < end) ranges.push([from, pattern[(at += 2)]!]);
    else ranges.push([from, from]);
  }
  const code = (character: string): number => character.codePointAt(0)!;
  const isIn = (character: string): boolean =>
    ranges.some(([from, to]) => code(from) <= code(character) && code(character) <= code(to));
  return { holds: (character) => isIn(character) !== negated, end };
}

/** `a{b,c}d` → `abd`, `acd`. Braces without a comma, or not closed, mean themselves. */
function expandBraces(pattern: string): string[] {
  const done: string[] = [];
  const open = [{ text: pattern, from: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { text, from } = next;
    const group = groupIn(text, from);
    if (!group) done.push(text);
    else
      for (const choice of group.choices)
        open.push({ text: text.slice(0, group.start) + choice + text.slice(group.end), from: group.start });
    if (done.length + open.length > MOST_ALTERNATIVES)
      throw new Failure('job-refused', {
        why: `the braces of ${pattern} stand for over ${MOST_ALTERNATIVES} patterns`,
      });
  }
  return done;
}

interface OpenGroup {
  readonly start: number;
  readonly commas: number[];
}

/** The first group from an index on; its choices may hold further ones. One walk: a brace that nothing closes costs no more. */
function groupIn(text: string, from: number): { start: number; end: number; choices: string[] } | undefined {
  const open: OpenGroup[] = [];
  let found: (OpenGroup & { readonly end: number }) | undefined;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '{') open.push({ start: at, commas: [] });
    else if (character === ',') open.at(-1)?.commas.push(at);
    else if (character === '}') {
      const group = open.pop();
      if (group && group.commas.length > 0 && group.start < (found?.start ?? text.length))
        found = { ...group, end: at };
      if (found && open.length === 0) break;
    }
  }
  if (!found) return undefined;
  const { start, commas, end } = found;
  const edges = [start, ...commas, end];
  return { start, end: end + 1, choices: edges.slice(1).map((edge, n) => text.slice(edges[n]! + 1, edge)) };
}
