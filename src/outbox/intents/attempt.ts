import type { Inode, RemoteId } from '../../base/ids.js';
import type { Item } from '../../mirror/database/view.js';
import { linuxNames } from '../../names/linux.js';
import type { RemoteVersion } from '../../procore/items.js';
import { type Digests, digestsOf } from '../../procore/own-versions.js';
import type { SavedUpload } from '../../procore/uploads.js';
import { cleanedName } from '../upload/cleaned-name.js';
import { type Attempt, hasFailed, type Intent, NO_REMOTE, NO_VERSION } from './intent.js';
import { type LateCall, PEOPLE } from './late-calls.js';

/** No call is in doubt. */
export const NOT_ATTEMPTED = { attemptAt: 0, attempted: undefined } as const;

/** The server has it, or may have it: a call that was to make it has no outcome yet. */
export const mayBeThere = (intent: Intent): boolean => intent.remoteId !== NO_REMOTE || intent.attempted !== undefined;

const saved = (intent: Intent): SavedUpload | undefined =>
  intent.upload === undefined ? undefined : (JSON.parse(intent.upload) as SavedUpload);

/** The upload that is the intent's content as it is now. */
export const uploadOf = (intent: Intent): string | undefined => saved(intent)?.uuid;

/** What the content of an attempt is, as far as it was written down. */
export function sentBy(intent: Intent, attempt: Attempt): Digests | undefined {
  if (attempt.digests || attempt.upload === undefined) return attempt.digests;
  const upload = saved(intent);
  return upload?.uuid === attempt.upload ? digestsOf(upload) : undefined;
}

/** What was to be changed by the last call at an intent, whose outcome is not known; undefined: there is none. */
export function placeOfCall(
  { attempted, remoteId, baseNumber }: Intent,
  tree: { remoteIdOf(folder: Inode): RemoteId | undefined },
): Omit<LateCall, 'at' | 'digests' | 'removal'> | undefined {
  const parentId = attempted && tree.remoteIdOf(attempted.parent);
  if (!attempted || parentId === undefined) return undefined;
  return { job: PEOPLE, remoteId, parentId, name: linuxNames.decode(attempted.name), baseNumber };
}

/** Its deletion was sent, and what went with it is not known yet. */
export const isRemovalSent = ({ deleted, attemptAt, attempted }: Intent): boolean =>
  // Older programs noted only when.
  deleted && attemptAt !== 0 && (attempted === undefined || attempted.removal !== undefined);

/** What an intent is to bring about now. */
export const attemptOf = (intent: Intent): Attempt => ({
  parent: intent.parent,
  name: intent.name,
  size: intent.size,
  ...contentOf(intent.dirty ? saved(intent) : undefined),
});

const contentOf = (upload: SavedUpload | undefined): Pick<Attempt, 'upload' | 'digests'> =>
  upload ? { upload: upload.uuid, digests: digestsOf(upload) } : { upload: undefined };

/** The places at the server at which the item stands, or may stand, and is not here. */
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

/** The state of an intent once the outcome of its last call is known: whatever kept that unknown is over. */
export const withOutcome = (intent: Intent): Pick<Intent, 'attemptAt' | 'attempted' | 'state' | 'reason'> =>
  hasFailed(intent) || intent.state === 'uploading'
    ? { ...NOT_ATTEMPTED, state: 'held', reason: hasFailed(intent) ? undefined : intent.reason }
    : { ...NOT_ATTEMPTED, state: intent.state, reason: intent.reason };

/** `parent/name` where a creation without a known outcome may have put an item; names that a server cleans are one. */
export function creationPlace({ attempted, remoteId }: Intent): string | undefined {
  return attempted && remoteId === NO_REMOTE
    ? placeOfCreation(attempted.parent, linuxNames.decode(attempted.name))
    : undefined;
}

export const placeOfCreation = (parent: Inode, remoteName: string): string => `${parent}/${cleanedName(remoteName)}`;

/** Whether the mirror's row may be what a creation without a known outcome made. */
export const mayBeMadeBy = (item: Item, intent: Intent): boolean =>
  item.isFile !== intent.folder &&
  (intent.folder || (item.size === intent.attempted?.size && item.versionNumber === 1));

/** What an attempt made, or changed. */
export interface Made {
  readonly id: RemoteId;
  readonly version: Pick<RemoteVersion, 'id' | 'number' | 'size'> | undefined;
}

/** An intent once the server has what an attempt at it was to bring about: what was changed since goes on from there. */
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

/** The server has something of a change that it had not before. */
export const isStepOn = (before: Intent, after: Intent | undefined): boolean =>
  !after ||
  after.remoteId !== before.remoteId ||
  after.baseVersion !== before.baseVersion ||
  after.baseParent !== before.baseParent ||
  after.baseName !== before.baseName;
