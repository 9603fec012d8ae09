import type { CallOptions } from '../budget/calls.js';
import type { ProcoreClient } from '../procore/client.js';
import type { RemoteItem, RemoteVersion } from '../procore/items.js';
import type { OwnWork } from '../procore/own-work.js';
import { made } from './changes.js';
import { freeConflictName } from './conflict-name.js';
import type { Intent } from './intent.js';
import type { LateCalls } from './late.js';
import type { LookupOptions } from './lookup.js';
import type { Outbox } from './outbox.js';

export interface OvertakenOptions extends Pick<LookupOptions, 'project'> {
  readonly client: Pick<ProcoreClient, 'versions'>;
  readonly ownWork: Pick<OwnWork, 'isOurs'>;
  readonly late: Pick<LateCalls, 'versions'>;
}

/**
 * The version that somebody saved between our last look and our own version: nobody here has seen it, and ours stands
 * before it. 1 call where the numbers show that there is one, else none.
 */
export async function overtaken(
  attempt: Intent,
  item: RemoteItem,
  { client, project, ownWork, late }: OvertakenOptions,
  call: CallOptions,
): Promise<RemoteVersion | undefined> {
  const number = item.version?.number ?? 0;
  const isFirstAfter = number <= attempt.baseNumber + 1;
  if (!attempt.dirty || attempt.attempted?.upload === undefined || attempt.baseNumber === 0 || isFirstAfter)
    return undefined;
  // Whoever saved the last before ours saw those before that one.
  const last = (await client.versions(project, item.id, call)).find((one) => one.number === number - 1);
  // Our own may stand there twice, where the server finished an earlier call late.
  const sent = [attempt.attempted.digests ?? [], ...late.versions(item.id).map(({ digests }) => digests)];
  for (const one of sent) if (last && (await ownWork.isOurs(item, last, one, call))) return undefined;
  return last;
}

/** Their version as a file of its own beside ours: its content is brought over when it goes up. */
export function copyOf(version: RemoteVersion, ours: Intent, outbox: Outbox): Intent {
  const { intents, tree, clock } = outbox;
  const folder = tree.item(ours.parent);
  const isTaken = (name: string): boolean => folder !== undefined && tree.child(folder, name) !== undefined;
  const now = clock.now();
  const name = freeConflictName(ours.name, now, isTaken);
  return {
    ...made(intents.newInode(), ours.parent, name, false, now, ours.who),
    staged: false,
    contentItem: ours.remoteId,
    contentVersion: version.id,
    size: version.size,
    mtime: version.createdAt,
    flushed: true,
    state: 'held',
    reason: 'somebody else saved it just before',
  };
}
