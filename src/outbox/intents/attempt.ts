import type { Inode, RemoteId } from '../../base/ids.js';
import type { Item } from '../../mirror/database/view.js';
import { linuxNames } from '../../names/linux.js';
import type { RemoteVersion } from '../../procore/items.js';
import { type Digests, digestsOf } from '../../procore/own-versions.js';
import type { SavedUpload } from '../../procore/uploads.js';
import { cleanedName } from '../upload/cleaned-name.js';
import { type Attempt, hasFailed, type Intent, NO_REMOTE, NO_VERSION } from './intent.js';
import { type LateCall, PEOPLE } from './late-calls.js';

/** No call has an unknown outcome. */
export const NOT_ATTEMPTED = { attemptAt: 0, attempted: undefined } as const;

/** The server has the item, or may have it: a call that creates it has no known outcome. */
export const mayBeThere = (intent: Intent): boolean => intent.remoteId !== NO_REMOTE || intent.attempted !== undefined;

const saved = (intent: Intent): SavedUpload | undefined =>
  intent.upload === undefined ? undefined : (JSON.parse(intent.upload) as SavedUpload);

/** The upload of the intent's current content. */
export const uploadOf = (intent: Intent): string | undefined => saved(intent)?.uuid;

/** The digests of an attempt's content, as far as they were recorded. */
export function sentBy(intent: Intent, attempt: Attempt): Digests | undefined {
  if (attempt.digests || attempt.upload === undefined) return attempt.digests;
  const upload = saved(intent);
  return upload?.uuid === attempt.upload ? digestsOf(upload) : undefined;
}

/** The target of an intent's last call, whose outcome is not known; undefined: there is none. */
export function placeOfCall(
  { attempted, remoteId, baseNumber }: Intent,
  tree: { remoteIdOf(folder: Inode): RemoteId | undefined },
): Omit<LateCall, 'at' | 'digests' | 'removal'> | undefined {
  const parentId = attempted && tree.remoteIdOf(attempted.parent);
  if (!attempted || parentId === undefined) return undefined;
  return { job: PEOPLE, remoteId, parentId, name: linuxNames.decode(attempted.name), baseNumber };
}

/** The deletion was sent, and what it deleted is not known yet. */
export const isRemovalSent = ({ deleted, attemptAt, attempted }: Intent): boolean =>
  // Older program versions recorded only the time.
  deleted && attemptAt !== 0 && (attempted === undefined || attempted.removal !== undefined);

/** The target state of an intent now. */
export const attemptOf = (intent: Intent): Attempt => ({
  parent: intent.parent,
  name: intent.name,
  size: intent.size,
  ...contentOf(intent.dirty ? saved(intent) : undefined),
});

const contentOf = (upload: SavedUpload | undefined): Pick<Attempt, 'upload' | 'digests'> =>
  upload ? { upload: upload.uuid, digests: digestsOf(upload) } : { upload: undefined };

/** The places where the server has or may have the item, and where the item is not here. */
export function leftPlaces(intent: Intent): string[] {
  const { attempted, baseName, baseParent } = intent;
  const isHere = (parent: number, name: string): boolean =>
    !intent.deleted && intent.parent === parent && intent.name === name;
  const places: string[] = [];
  if (intent.remoteId !== NO_REMOTE && baseParent !== 0 && !isHere(baseParent, baseName))
    places.push(`${baseParent}/${baseName}`);
  if (attempted && !isHere(attempted.parent, attempted.name)) places.push(`${attempted.parent}/${attempted.name}`);
  return places;
}

/** The state of an intent once the outcome of its last call is known. A failure that kept it unknown is over. */
export const withOutcome = (intent: Intent): Pick<Intent, 'attemptAt' | 'attempted' | 'state' | 'reason'> =>
  hasFailed(intent) || intent.state === 'uploading'
    ? { ...NOT_ATTEMPTED, state: 'held', reason: hasFailed(intent) ? undefined : intent.reason }
    : { ...NOT_ATTEMPTED, state: intent.state, reason: intent.reason };

/**
 * `parent/name` where a creation with unknown outcome may have put an item; names that the server may clean to one are
 * equal.
 */
export function creationPlace({ attempted, remoteId }: Intent): string | undefined {
  return attempted && remoteId === NO_REMOTE
    ? placeOfCreation(attempted.parent, linuxNames.decode(attempted.name))
    : undefined;
}

export const placeOfCreation = (parent: Inode, remoteName: string): string => `${parent}/${cleanedName(remoteName)}`;

/** Whether the mirror's row may be the result of a creation with unknown outcome. */
export const mayBeMadeBy = (item: Item, intent: Intent): boolean =>
  item.isFile !== intent.folder &&
  (intent.folder || (item.size === intent.attempted?.size && item.versionNumber === 1));

/** What an attempt created or changed. */
export interface Made {
  readonly id: RemoteId;
  readonly version: Pick<RemoteVersion, 'id' | 'number' | 'size'> | undefined;
}

/** An intent after its attempt succeeded: changes made since are based on the result. */
export function rebased(now: Intent, attempt: Attempt, item: Made): Intent {
  const sameContent = now.flushed && attempt.upload !== undefined && attempt.upload === uploadOf(now);
  return {
    ...now,
    ...withOutcome(now),
    remoteId: item.id,
    baseParent: attempt.parent,
    baseName: attempt.name,
    baseVersion: item.version?.id ?? NO_VERSION,
    baseNumber: item.version?.number ?? 0,
    baseSize: item.version?.size ?? 0,
    dirty: now.dirty && !sameContent,
  };
}

/** The server has accepted some part of a change. */
export const isStepOn = (before: Intent, after: Intent | undefined): boolean =>
  !after ||
  after.remoteId !== before.remoteId ||
  after.baseVersion !== before.baseVersion ||
  after.baseParent !== before.baseParent ||
  after.baseName !== before.baseName;
