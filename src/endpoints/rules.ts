import { type PlatformName, platforms } from '../names/platforms.js';
import type { TargetRules } from './target.js';

/** The rules of a target from its platform's row; `found` are those detected when it was opened. */
export function rulesOf(platform: PlatformName, found: Partial<TargetRules> = {}): TargetRules {
  const row = platforms[platform];
  const { features } = row;
  return {
    platform,
    names: row,
    caseInsensitive: features.caseInsensitive,
    normalizes: false,
    maxFileSize: features.fileSize,
    restrictedTypes: features.restrictedTypes,
    timeGrain: features.timeGrain ?? 1,
    setsTimes: features.timeGrain !== undefined,
    replacesAtOnce: false,
    resumes: false,
    emptyFolders: features.emptyFolders,
    hashes: [],
    parallelWrites: 4,
    reads: ['file'],
    keepsPrivacy: false,
    ...found,
  };
}
