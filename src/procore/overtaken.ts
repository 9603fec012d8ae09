import type { ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ProcoreClient } from './client.js';
import type { RemoteItem, RemoteVersion } from './items.js';
import type { Digests, OwnWork } from './own-versions.js';

/** A version that we have made. */
export interface OwnVersion {
  readonly file: Pick<RemoteItem, 'id' | 'name'>;
  readonly number: number;
  /** Number of the version that we last saw before it; 0: not known, or the file is new. */
  readonly base: number;
  /** What we have sent to become a version of the file: an earlier call may have been finished late. */
  readonly sent: readonly Digests[];
}

export interface OvertakenOptions {
  readonly client: Pick<ProcoreClient, 'versions'>;
  readonly ownWork: Pick<OwnWork, 'isOurs'>;
  readonly project: ProjectId;
}

/**
 * The version that somebody saved between our last look and our own version: nobody here has seen it, and ours stands
 * before it. Of several the last, for whoever saved it saw the others. 1 call where the numbers show that there may be
 * one, else none.
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
