import { statSync } from 'node:fs';
import { Failure } from '../base/errors.js';

/**
 * The file with known server keys. An empty value, a device or a missing file would accept any server, which would then
 * receive the password.
 * @throws Failure `host-unchecked`
 */
export function knownHostsFile(given: string): string {
  if (!statSync(given, { throwIfNoEntry: false })?.isFile())
    throw new Failure('host-unchecked', { file: given || '""' });
  return given;
}
