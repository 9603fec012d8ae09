import { Failure } from '../base/errors.js';
import { matchSequence } from '../names/sequence.js';

/**
 * A glob for names and paths. `*`: any characters · `?`: one character · `[a-z]`, `[!a-z]`: one character of a set, or
 * outside of it · `{a,b}`: either · `**` as a whole path segment: any number of folders, also none · `\`: takes the
 * next character literally. A leading dot is an ordinary character. A name that equals the pattern literally matches as
 * well.
 *
 * The time of a match is at most proportional to name × pattern. Regular expressions would backtrack, so that names
 * chosen by others could block the program.
 */
export interface Glob {
  matches(path: string): boolean;
  /** Whether an item below this folder can match. */
  mayMatchBelow(folder: string): boolean;
  /** Number of patterns that its braces expand to; each needs memory, and time for each name. */
  readonly alternatives: number;
  /** Total length of these patterns. */
  readonly characters: number;
}

/** @throws Failure `job-refused`: the pattern is too long, or its braces expand to too many patterns */
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

/**
 * The set that begins at a `[`; undefined: it is not closed, and `[` is literal. A `]` in first place belongs to the
 * set.
 */
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

/** `a{b,c}d` → `abd`, `acd`. Braces without a comma, or not closed, are literal. */
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

/**
 * The first brace group from an index on; its choices may contain further groups. A single pass, so that an unclosed
 * brace costs no more time.
 */
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
