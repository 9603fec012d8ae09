import type { TargetRules } from '../../endpoints/target.js';
import { platforms } from '../../names/platforms.js';
import { LARGEST_UPLOAD_BYTES } from '../../procore/uploads.js';

const RULES: TargetRules = {
  platform: 'procore',
  names: platforms.procore,
  caseInsensitive: false,
  normalizes: false,
  maxFileSize: LARGEST_UPLOAD_BYTES,
  restrictedTypes: [],
  timeGrain: 1,
  setsTimes: false,
  replacesAtOnce: true,
  resumes: false,
  emptyFolders: true,
  hashes: [],
  parallelWrites: 8,
  reads: ['stream', 'file', 'descriptor'],
  keepsPrivacy: false,
};
const ANY_CASE: TargetRules = { ...RULES, caseInsensitive: true };

/** @param ignoresCase whether names of the project ignore case here */
export const procoreRules = (ignoresCase: boolean): TargetRules => (ignoresCase ? ANY_CASE : RULES);
