/**
 * Limits of platforms for names, paths and files, and the attributes they keep, as data: one row for each platform, so
 * that a name can be checked for any of them and two platforms compared row by row.
 */

export interface NamePattern {
  readonly rule: RefusalRule;
  /** Finds the part that violates the rule. Global. */
  readonly pattern: RegExp;
  readonly words: string;
  /** Replaces the found part so that the name is valid. */
  readonly replacement: string;
}

export interface PlatformFeatures {
  /** `A` and `a` are one name. */
  readonly caseInsensitive: boolean;
  /** Bytes of the largest file; undefined: no practical limit. */
  readonly fileSize: number | undefined;
  /** File extensions that are refused whatever the content, with their dot, lower case. */
  readonly restrictedTypes: readonly string[];
  /** Seconds: resolution of a time of modification set by a program; undefined: it cannot be set. */
  readonly timeGrain: number | undefined;
  /** Earlier versions of a file. */
  readonly versions: KeptAttribute;
  /** Author of a file or version, which a copying program can set. */
  readonly authors: KeptAttribute;
  /** A user can lock a file against changes by others. */
  readonly locks: KeptAttribute;
  readonly permissions: KeptAttribute;
  /** Properties that users can add. */
  readonly metadata: KeptAttribute;
  /** A folder can exist without content. */
  readonly emptyFolders: boolean;
}

export interface Platform extends PlatformRules {
  readonly features: PlatformFeatures;
}

/** Limits of names and paths: the part of a platform that `judgeName` and `judgePath` check. */

export interface LengthLimit {
  readonly most: number;
  /** Bytes of UTF-8, code points, or UTF-16 code units. */
  readonly unit: 'bytes' | 'characters' | 'utf16';
}

export interface PlatformRules {
  /** The platform's usual name, for people. */
  readonly title: string;
  /** Characters that a name must not contain. */
  readonly characters: string;
  /** Whole names that are refused. */
  readonly names: readonly string[];
  readonly patterns: readonly NamePattern[];
  /** Limit of one name; undefined: no limit. */
  readonly nameLength: LengthLimit | undefined;
  /** Limit of a path from the root of the target. */
  readonly pathLength: LengthLimit | undefined;
}

/** Whether a platform keeps an attribute of a file besides its bytes: always, if its owner enabled it, or never. */
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
