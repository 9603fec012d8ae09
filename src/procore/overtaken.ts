import type { ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ProcoreClient } from './client.js';
import type { RemoteItem, RemoteVersion } from './items.js';
import type { Digests, OwnWork } from './own-versions.js';

/** A version made by this program. */
export interface OwnVersion {
  readonly file: Pick<RemoteItem, 'id' | 'name'>;
  readonly number: number;
  /** Number of the version last seen before it; 0: not known, or the file is new. */
  readonly base: number;
  /** All content sent to become a version of the file: the server may complete an earlier call late. */
  readonly sent: readonly Digests[];
}

export interface OvertakenOptions {
  readonly client: Pick<ProcoreClient, 'versions'>;
  readonly ownWork: Pick<OwnWork, 'isOurs'>;
  readonly project: ProjectId;
}

/**
 * Finds a version that another user saved between our last check and our own version: this program has not seen it, and
 * ours is the newer one. Of several the last, because its author saw the others. 1 call where the version numbers leave
 * room for one, else none.
 */
export async function overtaken(
  { file, number, base, sent }: OwnVersion,
  { client, ownWork, project }: OvertakenOptions,
  call: CallOptions,
): Promise<RemoteVersion | undefined> {
  if (base === 0 || number <= base + 1) return undefined;
  const versions = await client.versions(project, file.id, call);
  const between = versions.filter((one) => one.number > base && one.number < number);
  for (const one of between.toSorted((a, b) => b.number - a.number)) {
    let isOurs = false;
    for (const digests of sent) isOurs ||= await ownWork.isOurs(file, one, digests, call);
    if (!isOurs) return one;
  }
  return undefined;
}
