import type { Inode, RemoteId } from '../../base/ids.js';
import type { Item } from '../../mirror/database/view.js';
import { linuxNames } from '../../names/linux.js';
import type { RemoteVersion } from '../../procore/items.js';
import { type Digests, digestsOf } from '../../procore/own-versions.js';
import type { SavedUpload } from '../../procore/uploads.js';
import { cleanedName } from '../upload/cleaned-name.js';
import { type Goal, hasFailed, type Intent, NO_ATTEMPT, NO_INODE, NO_REMOTE, NO_VERSION } from './intent.js';
import { type LateCall, PEOPLE } from './late-calls.js';

/** The server has the item, or may have it: a call that creates it has no known outcome. */
export const mayBeThere = (intent: Intent): boolean =>
  intent.remoteId !== NO_REMOTE || intent.attempt.goal !== undefined;

/** What is known of the upload of the intent's current content. */
export const savedUpload = ({ content: { upload } }: Intent): SavedUpload | undefined =>
  upload === undefined ? undefined : (JSON.parse(upload) as SavedUpload);

/** The upload of the intent's current content. */
export const uploadOf = (intent: Intent): string | undefined => savedUpload(intent)?.uuid;

/** The digests of the content that an attempt sent, as far as they were recorded. */
export function sentBy(intent: Intent, goal: Goal): Digests | undefined {
  if (goal.digests || goal.upload === undefined) return goal.digests;
  const upload = savedUpload(intent);
  return upload?.uuid === goal.upload ? digestsOf(upload) : undefined;
}

/** The target of an intent's last call, whose outcome is not known; undefined: there is none. */
export function placeOfCall(
  { attempt: { goal }, remoteId, base }: Intent,
  tree: { remoteIdOf(folder: Inode): RemoteId | undefined },
): Omit<LateCall, 'at' | 'digests' | 'removal'> | undefined {
  const parentId = goal && tree.remoteIdOf(goal.parent);
  if (!goal || parentId === undefined) return undefined;
  return { job: PEOPLE, remoteId, parentId, name: linuxNames.decode(goal.name), baseNumber: base.number };
}

/** The deletion was sent, and what it deleted is not known yet. */
export const isRemovalSent = ({ deleted, attempt: { at, goal } }: Intent): boolean =>
  // Older program versions recorded only the time.
  deleted && at !== 0 && (goal === undefined || goal.removal !== undefined);

/** The target state of an intent now. */
export const goalOf = (intent: Intent): Goal => {
  const { parent, name, size } = intent.here;
  return { parent, name, size, ...contentOf(intent.content.dirty ? savedUpload(intent) : undefined) };
};

const contentOf = (upload: SavedUpload | undefined): Pick<Goal, 'upload' | 'digests'> =>
  upload ? { upload: upload.uuid, digests: digestsOf(upload) } : { upload: undefined };

/** The places where the server has or may have the item, and where the item is not here. */
export function leftPlaces(intent: Intent): string[] {
  const { deleted, here, base, attempt, remoteId } = intent;
  const known = remoteId !== NO_REMOTE && base.parent !== NO_INODE ? [base] : [];
  const places = [...known, ...(attempt.goal ? [attempt.goal] : [])];
  return places
    .filter(({ parent, name }) => deleted || here.parent !== parent || here.name !== name)
    .map(({ parent, name }) => `${parent}/${name}`);
}

/** The state of an intent once the outcome of its last call is known. A failure that kept it unknown is over. */
export const withOutcome = (intent: Intent): Pick<Intent, 'attempt' | 'state' | 'reason'> =>
  hasFailed(intent) || intent.state === 'uploading'
    ? { attempt: NO_ATTEMPT, state: 'held', reason: hasFailed(intent) ? undefined : intent.reason }
    : { attempt: NO_ATTEMPT, state: intent.state, reason: intent.reason };

/**
 * `parent/name` where a creation with unknown outcome may have put an item; names that the server may clean to one are
 * equal.
 */
export const creationPlaces = ({ attempt: { goal }, remoteId }: Intent): string[] =>
  goal && remoteId === NO_REMOTE ? [placeOfCreation(goal.parent, linuxNames.decode(goal.name))] : [];

export const placeOfCreation = (parent: Inode, remoteName: string): string => `${parent}/${cleanedName(remoteName)}`;

/** Whether the mirror's row may be the result of a creation with unknown outcome. */
export const mayBeMadeBy = (item: Item, intent: Intent): boolean =>
  item.isFile !== intent.folder &&
  (intent.folder || (item.size === intent.attempt.goal?.size && item.versionNumber === 1));

/** What an attempt created or changed. */
export interface Made {
  readonly id: RemoteId;
  readonly version: Pick<RemoteVersion, 'id' | 'number' | 'size'> | undefined;
}

/** An intent after its attempt succeeded: changes made since are based on the result. */
export function rebased(now: Intent, { parent, name, upload }: Goal, item: Made): Intent {
  const sameContent = now.content.flushed && upload !== undefined && upload === uploadOf(now);
  const { id: version, number, size } = item.version ?? { id: NO_VERSION, number: 0, size: 0 };
  return {
    ...now,
    ...withOutcome(now),
    remoteId: item.id,
    base: { parent, name, version, number, size },
    content: { ...now.content, dirty: now.content.dirty && !sameContent },
  };
}

/** The server has accepted some part of a change. */
export const isStepOn = (before: Intent, after: Intent | undefined): boolean =>
  !after ||
  after.remoteId !== before.remoteId ||
  after.base.version !== before.base.version ||
  after.base.parent !== before.base.parent ||
  after.base.name !== before.base.name;
