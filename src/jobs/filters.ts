import { Failure } from '../base/errors.js';
import type { FilterRule, Rule } from './definition/filter-schema.js';
import { compileGlob, type Glob } from './glob.js';

/** Attributes of an item that filters test. */
export interface FilterItem {
  /** Path from the root of the transfer, names separated by `/`. */
  readonly path: string;
  readonly name: string;
  readonly folder: boolean;
  /** Bytes. */
  readonly size: number;
  /** Unix seconds; undefined: unknown, and no filter by date matches. */
  readonly mtime: number | undefined;
  readonly hidden: boolean;
  readonly private: boolean;
}

/** Whether an item is transferred. `why`: the filter that decides, in words. */
export type FilterVerdict = { readonly taken: true } | { readonly taken: false; readonly why: string };

/**
 * Compiles filters to a function that says whether an item is transferred. Excludes win. If there are includes, a file
 * must match at least one. A filter matches if all its rules do.
 *
 * - If a folder is not transferred, nothing below it is: its subtree need not be listed.
 * - Extension, size and date apply to files only: a filter with one of these excludes no folder.
 * - Paths are globs from the root of the transfer; a match of a folder includes everything below it. Names are globs
 *   for the last name of a path. Case matters except in extensions; the Unicode form of accents does not.
 *
 * @throws Failure `job-refused`: a pattern is invalid, or the patterns expand to too many
 */
export function compileFilters(filters: readonly FilterRule[]): (item: FilterItem) => FilterVerdict {
  const compile = withinRoom();
  const compiled = filters.map((filter) => compileFilter(filter, compile));
  const excludes = compiled.filter(({ action }) => action === 'exclude');
  const includes = compiled.filter(({ action }) => action === 'include');
  const taken: FilterVerdict = { taken: true };
  const inNone: FilterVerdict = {
    taken: false,
    why: `in none of the included: ${includes.map(({ words }) => words).join('; or ')}`,
  };

  return (item) => {
    const excluded = excludes.find(({ tests }) => tests.every((test) => test.holds(item)));
    if (excluded) return { taken: false, why: `excluded: ${excluded.words}` };
    if (includes.length === 0) return taken;
    const isIncluded = includes.some(({ tests }) =>
      tests.every((test) => (item.folder ? test.mayHoldBelow(item.path) : test.holds(item))),
    );
    return isIncluded ? taken : inNone;
  };
}

interface RuleTest {
  holds(item: FilterItem): boolean;
  /** Whether the rule can match an item below a folder. */
  mayHoldBelow(path: string): boolean;
}

type Compile = (pattern: string) => Glob;

/** Most globs of one filter set: each is tried on each item. */
const MOST_GLOBS = 10_000;
/**
 * Most characters of these globs: nested braces expand short patterns to long ones, whose compilation blocks the
 * thread.
 */
const MOST_CHARACTERS = 2_000_000;

function withinRoom(): Compile {
  let count = 0;
  let characters = 0;
  return (pattern) => {
    const glob = compileGlob(pattern);
    count += glob.alternatives;
    characters += glob.characters;
    if (characters > MOST_CHARACTERS)
      throw new Failure('job-refused', { why: `the filters stand for over ${MOST_CHARACTERS} characters` });
    if (count > MOST_GLOBS)
      throw new Failure('job-refused', { why: `the filters stand for over ${MOST_GLOBS} patterns` });
    return glob;
  };
}

function compileFilter({ action, rules }: FilterRule, compile: Compile) {
  return { action, tests: rules.map((rule) => compileRule(rule, compile)), words: rules.map(wordsOf).join(' and ') };
}

const anywhere = (): boolean => true;

function compileRule(rule: Rule, compile: Compile): RuleTest {
  switch (rule.type) {
    case 'filter_extension': {
      const endings = rule.extensions.map(endingOf);
      const holds = ({ name, folder }: FilterItem): boolean => {
        const lower = name.toLowerCase();
        // `.bashrc` is a name without an extension.
        return !folder && endings.some((ending) => lower.length > ending.length && lower.endsWith(ending));
      };
      return { holds, mayHoldBelow: anywhere };
    }
    case 'filter_name': {
      const globs = rule.patterns.map(compile);
      return { holds: ({ name }) => globs.some((glob) => glob.matches(name)), mayHoldBelow: anywhere };
    }
    case 'filter_path':
      return compilePaths(rule.patterns, compile);
    case 'filter_size': {
      const { min = 0, max = Number.POSITIVE_INFINITY } = rule;
      return { holds: ({ folder, size }) => !folder && size >= min && size <= max, mayHoldBelow: anywhere };
    }
    case 'filter_date': {
      const { after = Number.NEGATIVE_INFINITY, before = Number.POSITIVE_INFINITY } = rule;
      const holds = ({ folder, mtime }: FilterItem): boolean =>
        !folder && mtime !== undefined && mtime >= after && mtime < before;
      return { holds, mayHoldBelow: anywhere };
    }
    case 'filter_hidden':
      return { holds: ({ hidden }) => hidden, mayHoldBelow: anywhere };
    case 'filter_private':
      return { holds: (item) => item.private, mayHoldBelow: anywhere };
  }
}

function compilePaths(patterns: readonly string[], compile: Compile): RuleTest {
  const globs = patterns.map((pattern) => compile(pattern.replace(/^\/+|\/+$/g, '')));
  const holdsAt = (path: string): boolean => ancestry(path).some((above) => globs.some((glob) => glob.matches(above)));
  return {
    holds: ({ path }) => holdsAt(path),
    mayHoldBelow: (path) => path === '' || holdsAt(path) || globs.some((glob) => glob.mayMatchBelow(path)),
  };
}

/** `a/b/c` → `a`, `a/b`, `a/b/c`. */
function ancestry(path: string): string[] {
  const paths: string[] = [];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
    paths.push(path.slice(0, slash));
  return [...paths, path];
}

/** `pdf`, `.pdf` and `*.pdf` are the same. */
const endingOf = (extension: string): string => `.${extension.toLowerCase().replace(/^\*?\.?/, '')}`;

function wordsOf(rule: Rule): string {
  switch (rule.type) {
    case 'filter_extension':
      return `extension ${rule.extensions.map(endingOf).join(', ')}`;
    case 'filter_name':
      return `name ${rule.patterns.join(', ')}`;
    case 'filter_path':
      return `path ${rule.patterns.join(', ')}`;
    case 'filter_size':
      return ['size', ...bound('from', rule.min), ...bound('to', rule.max), 'bytes'].join(' ');
    case 'filter_date':
      return ['changed', ...bound('since', day(rule.after)), ...bound('before', day(rule.before))].join(' ');
    case 'filter_hidden':
      return 'hidden';
    case 'filter_private':
      return 'private';
  }
}

const bound = (word: string, value: number | string | undefined): string[] =>
  value === undefined ? [] : [word, String(value)];

/** In UTC. A number that is no valid date stays a number. */
function day(seconds: number | undefined): string | undefined {
  if (seconds === undefined) return undefined;
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().slice(0, 16);
}
