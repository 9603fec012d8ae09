import type { OpenOptions, TargetDefinition } from './definition.js';
import { openFolder } from './folder/open.js';
import { openRclone } from './rclone/open.js';
import { openRsync } from './rsync/open.js';
import { openSmb } from './smb/open.js';
import type { Target } from './target.js';

type Opener = (definition: TargetDefinition, options: OpenOptions) => Promise<Target>;

/** Whether the URI is the name of a network share, not the folder where it is mounted. */
export const isShareName = (uri: string): boolean => /^(?:\\\\|\/\/|smb:)/i.test(uri);

const OPENERS: Readonly<Record<string, Opener>> = {
  fs: openFolder,
  // A mounted network share is a folder; a share given by its own name needs no mount.
  nfs: (definition, options) => (isShareName(definition.uri) ? openSmb : openFolder)(definition, options),
  smb: openSmb,
  rsync: openRsync,
};

/**
 * Opens a target and determines its rules. The caller closes it.
 * @throws Failure of `catalogue-targets.ts`, `usage` for an invalid definition
 */
export function openTarget(definition: TargetDefinition, options: OpenOptions): Promise<Target> {
  return (OPENERS[definition.platform] ?? openRclone)(definition, options);
}
