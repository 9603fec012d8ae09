import * as judge from './judge.js';
import { linuxNames } from './linux.js';
import { platforms } from './platforms.js';

export type { Refusal } from './judge.js';

const rules = platforms.procore;
const decodePath = (shownPath: string): string => shownPath.split('/').map(linuxNames.decode).join('/');

/**
 * Why Procore's rules forbid to publish under this name; undefined if they do not. Judged is what would be sent: a shown
 * `／` is a `/`.
 */
export const judgeProcoreName = (shownName: string): judge.Refusal | undefined =>
  judge.judgeName(rules, linuxNames.decode(shownName));

/** Whether a path from the project's root (as shown, without a slash before it) is over the limit of its length. */
export const judgeProcorePath = (shownPath: string): judge.Refusal | undefined =>
  // Decoding never makes a name longer.
  shownPath.length <= rules.pathLength.most ? undefined : judge.judgePath(rules, decodePath(shownPath));

/** Characters of the path as Procore counts them, to judge what is below a folder that is to be renamed. */
export const pathLength = (shownPath: string): number => [...decodePath(shownPath)].length;

/** Characters that a path from the project's root may have. */
export const LONGEST_PATH = rules.pathLength.most;

/** The shown form of a valid name near this one, of at most `most` characters. */
export const suggestProcoreName = (shownName: string, most?: number): string =>
  linuxNames.encode(judge.suggestName(rules, linuxNames.decode(shownName), most));
