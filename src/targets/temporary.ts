import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, Failure } from '../base/errors.js';

/**
 * Makes a private folder (0700), which whoever asked removes.
 * @param above where; the system's folder for what is temporary unless told
 * @throws Failure `disk-full`, `target-failed` where there can be none
 */
export async function temporaryFolder(prefix: string, above = tmpdir()): Promise<string> {
  try {
    return await mkdtemp(join(above, prefix));
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new Failure('disk-full', { path: 'a temporary folder', disk: above }, error);
    throw new Failure('target-failed', { target: 'making a temporary folder', path: above }, error);
  }
}
