import type { Platform } from './platform.js';
import { cloudPlatforms } from './platform-clouds.js';
import { filePlatforms } from './platform-files.js';

/**
 * An extension is the part after the last dot, unless that dot is the first character (`.bashrc` has none). White space
 * is Unicode's property White_Space: it includes tabs and no-break spaces, but not a zero-width space.
 */
const procore = {
  title: 'Procore',
  characters: '/<>:\\|?*',
  names: [''],
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
  features: {
    caseInsensitive: false,
    fileSize: undefined,
    restrictedTypes: [],
    // A version has the time of its upload.
    timeGrain: undefined,
    versions: 'yes',
    authors: 'no',
    locks: 'yes',
    permissions: 'yes',
    metadata: 'yes',
    emptyFolders: true,
  },
} as const satisfies Platform;

export const platforms = { procore, ...filePlatforms, ...cloudPlatforms } as const satisfies Record<string, Platform>;

export type PlatformName = keyof typeof platforms;

export const platformNames = Object.keys(platforms) as PlatformName[];

export const isPlatform = (name: string): name is PlatformName => Object.hasOwn(platforms, name);

/** Other names of platforms, used in connections. */
const ALIASES: Readonly<Record<string, PlatformName>> = { fs: 'linux' };

/** The platform with this name or alias; undefined: unknown. */
export function platformNamed(given: string): PlatformName | undefined {
  const lower = given.toLowerCase();
  const name = Object.hasOwn(ALIASES, lower) ? ALIASES[lower]! : lower;
  return isPlatform(name) ? name : undefined;
}
