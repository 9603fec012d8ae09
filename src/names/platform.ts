/**
 * What platforms permit names, paths and files to be, and what they keep of them, as data: one row each, so that a name
 * can be judged for any of them and two platforms compared row by row.
 */

export interface NamePattern {
  readonly rule: RefusalRule;
  /** Finds the place that breaks the rule. Global. */
  readonly pattern: RegExp;
  readonly words: string;
  /** What makes a name valid again: put in place of what was found. */
  readonly replacement: string;
}

export interface PlatformFeatures {
  /** `A` and `a` are one name. */
  readonly caseInsensitive: boolean;
  /** Bytes of the largest file; undefined: no limit that matters. */
  readonly fileSize: number | undefined;
  /** Endings of names that are refused whatever the content, with their dot, lower case. */
  readonly restrictedTypes: readonly string[];
  /** Seconds to which the time of modification that a program sets is kept; undefined: it cannot be set. */
  readonly timeGrain: number | undefined;
  /** Earlier versions of a file. */
  readonly versions: KeptAttribute;
  /** Who wrote a file or version, settable by whoever copies it. */
  readonly authors: KeptAttribute;
  /** Somebody holds a file, so that others cannot change it. */
  readonly locks: KeptAttribute;
  readonly permissions: KeptAttribute;
  /** Properties that people add. */
  readonly metadata: KeptAttribute;
  /** Folders exist without anything in them. */
  readonly emptyFolders: boolean;
}

export interface Platform extends PlatformRules {
  readonly features: PlatformFeatures;
}

/**
 * What platforms permit names, paths and files to be, and what they keep of them, as data: one row each, so that a name
 * can be judged for any of them and two platforms compared row by row.
 */

export interface LengthLimit {
  readonly most: number;
  /** Bytes of UTF-8, code points, or UTF-16 code units. */
  readonly unit: 'bytes' | 'characters' | 'utf16';
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

/** What a platform keeps of a file besides its bytes: always, if its owner turned it on, or never. */
export type KeptAttribute = 'yes' | 'optional' | 'no';

export type RefusalRule =
  | 'character'
  | 'reserved-name'
  | 'name-length'
  | 'path-length'
  | 'space-before-extension'
  | 'space-after-extension'
  | 'name-end'
  | 'name-start';
