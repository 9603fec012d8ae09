import type { OpenOptions, TargetDefinition } from './definition.js';
import { openFolder } from './folder/open.js';
import { openRclone } from './rclone/open.js';
import { openRsync } from './rsync/open.js';
import { openSmb } from './smb/open.js';
import type { Target } from './target.js';

type Opener = (definition: TargetDefinition, options: OpenOptions) => Promise<Target>;

/** Of a network share by its own name, not the folder where it is mounted. */
export const isShareName = (uri: string): boolean => /^(?:\\\\|\/\/|smb:)/i.test(uri);

const OPENERS: Readonly<Record<string, Opener>> = {
  fs: openFolder,
  // A network share is a folder where it is mounted; its own name does without.
  nfs: (definition, options) => (isShareName(definition.uri) ? openSmb : openFolder)(definition, options),
  smb: openSmb,
  rsync: openRsync,
};

/**
 * Opens a target and learns its rules. Whoever opens it closes it.
 * @throws Failure of `catalogue-targets.ts`, `usage` for a definition that cannot be one
 */
export function openTarget(definition: TargetDefinition, options: OpenOptions): Promise<Target> {
  return (OPENERS[definition.platform] ?? openRclone)(definition, options);
}
