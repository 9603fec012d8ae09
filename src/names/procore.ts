import * as judge from './judge.js';
import { linuxNames } from './linux.js';
import { platforms } from './platforms.js';

export type { Refusal } from './judge.js';

const rules = platforms.procore;
const decodePath = (shownPath: string): string => shownPath.split('/').map(linuxNames.decode).join('/');

/**
 * Why Procore's rules refuse this name; undefined if they accept it. The name that would be sent is checked: a shown
 * `／` is a `/`.
 */
export const judgeProcoreName = (shownName: string): judge.Refusal | undefined =>
  judge.judgeName(rules, linuxNames.decode(shownName));

/** Why a path from the project's root (as shown, without a leading slash) is too long; undefined if it is not. */
export const judgeProcorePath = (shownPath: string): judge.Refusal | undefined =>
  // Decoding never makes a name longer.
  shownPath.length <= rules.pathLength.most ? undefined : judge.judgePath(rules, decodePath(shownPath));

/** Characters of the path as Procore counts them, to check the items below a folder that is to be renamed. */
export const pathLength = (shownPath: string): number => [...decodePath(shownPath)].length;

/** Maximum characters of a path from the project's root. */
export const LONGEST_PATH = rules.pathLength.most;

/** The shown form of a similar valid name with at most `most` characters. */
export const suggestProcoreName = (shownName: string, most?: number): string =>
  linuxNames.encode(judge.suggestName(rules, linuxNames.decode(shownName), most));
