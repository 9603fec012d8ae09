/**
 * What platforms permit names and paths to be, as data: one row each, so that a name can be judged for any of them and
 * two platforms compared row by row.
 */
export interface LengthLimit {
  readonly most: number;
  readonly unit: 'bytes' | 'characters';
}

export interface NamePattern {
  readonly rule: RefusalRule;
  /** Finds the place that breaks the rule. Global. */
  readonly pattern: RegExp;
  readonly words: string;
  /** What makes a name valid again: put in place of what was found. */
  readonly replacement: string;
}

export interface PlatformRules {
  /** As people call it. */
  readonly title: string;
  /** Never in a name. */
  readonly characters: string;
  /** Never a whole name. */
  readonly names: readonly string[];
  readonly patterns: readonly NamePattern[];
  /** Of one name; undefined: no limit. */
  readonly nameLength: LengthLimit | undefined;
  /** Of a path from the root of what is written to. */
  readonly pathLength: LengthLimit | undefined;
}

export type RefusalRule =
  | 'character'
  | 'reserved-name'
  | 'name-length'
  | 'path-length'
  | 'space-before-extension'
  | 'space-after-extension';

/**
 * An extension is what follows the last dot, unless that dot is the first character (`.bashrc` has none).
 * White space is Unicode's property White_Space: tabs and no-break spaces belong to it, a zero-width space does not.
 */
const procore = {
  title: 'Procore',
  characters: '/<>:\\|?*',
  names: [],
  patterns: [
    {
      rule: 'space-before-extension',
      pattern: /\p{White_Space}+(?=\.[^.]+$)/gu,
      words: 'Procore takes no white space directly before an extension',
      replacement: '',
    },
    {
      rule: 'space-after-extension',
      pattern: /(?<=^.+\.[^.]*)\p{White_Space}+$/gsu,
      words: 'Procore takes no white space after an extension',
      replacement: '',
    },
  ],
  nameLength: undefined,
  pathLength: { most: 255, unit: 'characters' },
} as const satisfies PlatformRules;

/** NAME_MAX and what a directory entry cannot hold, <linux/limits.h>. A path may be longer than PATH_MAX. */
const linux: PlatformRules = {
  title: 'Linux',
  characters: '/\0',
  names: ['', '.', '..'],
  patterns: [],
  nameLength: { most: 255, unit: 'bytes' },
  pathLength: undefined,
};

export const platforms = { procore, linux } as const satisfies Record<string, PlatformRules>;

export type PlatformName = keyof typeof platforms;

export const platformNames = Object.keys(platforms) as PlatformName[];

export const isPlatform = (name: string): name is PlatformName => Object.hasOwn(platforms, name);
