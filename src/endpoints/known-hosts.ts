import { statSync } from 'node:fs';
import { Failure } from '../base/errors.js';

/**
 * The file by which the key of a server is checked. Nothing, a device and what is not there would let any server be the one
 * that was meant, and have the password.
 * @throws Failure `host-unchecked`
 */
export function knownHostsFile(given: string): string {
  if (!statSync(given, { throwIfNoEntry: false })?.isFile())
    throw new Failure('host-unchecked', { file: given || '""' });
  return given;
}
