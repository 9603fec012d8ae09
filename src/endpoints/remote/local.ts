import { Failure } from '../../base/errors.js';
import type { OpenOptions, TargetDefinition } from '../definition.js';
import { type MakeFolder, stagingPath, temporaryIn } from '../temporary.js';
import { StorageStaging } from './staging.js';

/** Private local folder for a target that is accessed through programs. */
export const temporaryOf = (options: OpenOptions): MakeFolder => temporaryIn(stateOf(options));

/** Bytes are staged where the next process finds them for the same definition. */
export function stagingFor(definition: TargetDefinition, options: OpenOptions): StorageStaging {
  const { platform, uri, username, options: given } = definition;
  return new StorageStaging(
    stagingPath(stateOf(options)),
    JSON.stringify([platform, uri, username, given, options.path]),
  );
}

function stateOf({ state }: OpenOptions): string {
  if (state === undefined) throw new Failure('internal', { why: 'a target of a program was opened without a folder' });
  return state;
}
