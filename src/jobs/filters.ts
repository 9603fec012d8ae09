import { Failure } from '../base/errors.js';
import type { FilterRule, Rule } from './definition/filter-schema.js';
import { compileGlob, type Glob } from './glob.js';

/** What filters look at. */
export interface FilterItem {
  /** From the folder that is transferred, names separated by `/`. */
  readonly path: string;
  readonly name: string;
  readonly folder: boolean;
  /** Bytes. */
  readonly size: number;
  /** Unix seconds; undefined: not known, and no filter by date holds. */
  readonly mtime: number | undefined;
  readonly hidden: boolean;
  readonly private: boolean;
}

/** `why`: the filter, in words. */
export type FilterVerdict = { readonly taken: true } | { readonly taken: false; readonly why: string };

/**
 * Whether an item is transferred. Excludes win; where there are includes, a file must be in one of them. All rules of a
 * filter must hold.
 *
 * - A folder that is not taken has nothing below it that is: its subtree need not be listed.
 * - Extension, size and date are of files: with one of these a filter excludes no folder.
 * - Paths are globs from the folder that is transferred; what matches a folder holds for all that is below it. Names are
 *   globs over the last name. Case counts, except in extensions; how accents are composed does not.
 *
 * @throws Failure `job-refused`: a pattern cannot be used, or all of them stand for too many
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
  /** Whether it can hold for something below a folder. */
  mayHoldBelow(path: string): boolean;
}

type Compile = (pattern: string) => Glob;

/** Globs of one job: each is looked at for each item. */
const MOST_GLOBS = 10_000;
/** And of their characters: braces in braces make long patterns of short ones, which hold up all others while they are read. */
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
        // `.bashrc` is a name, no extension.
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

/** In UTC; a date that no calendar has stays a number. */
function day(seconds: number | undefined): string | undefined {
  if (seconds === undefined) return undefined;
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().slice(0, 16);
}
