import { asInode, type Inode, type RemoteId, type VersionId } from '../../base/ids.js';
import type { Digests } from '../../procore/own-versions.js';

/**
 * open: being written, not acknowledged yet · held: acknowledged, waits for the settle time or for a release from the
 * delete guard · waiting: may be sent · uploading · failed: tried, will be tried again · refused: the server does not
 * accept it as it is, a user must change it · local: stays on this machine.
 */
export type IntentState = 'open' | 'held' | 'waiting' | 'uploading' | 'failed' | 'refused' | 'local';

/** The ranges of a staging file that are not downloaded yet, and the version they come from. */
export interface Gaps {
  readonly item: RemoteId;
  readonly version: VersionId;
  /** Bytes of the version. */
  readonly size: number;
  /** start, end, start, end, … */
  readonly missing: readonly number[];
}

/**
 * The target state of a call that changes something. Until the outcome is known, the server may have carried it out or
 * not.
 */
export interface Attempt {
  /** Where the item was to be. */
  readonly parent: Inode;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The upload that was to become its content; undefined: the content was to stay. */
  readonly upload: string | undefined;
  /** Digests of that content. Older program versions did not record them. */
  readonly digests?: Digests | undefined;
  /** Of a deletion: server time of the lookup before it, seconds. */
  readonly removal?: number;
}

/**
 * The difference between an item here and the server's last known state, and the state from which it started. One per
 * item, replaced on change.
 */
export interface Intent {
  readonly inode: Inode;
  /** 0: not at the server. */
  readonly remoteId: RemoteId;
  readonly folder: boolean;
  readonly parent: Inode;
  readonly name: string;
  readonly deleted: boolean;
  /** 0: nowhere at the server. */
  readonly baseParent: Inode;
  readonly baseName: string;
  readonly baseVersion: VersionId;
  readonly baseNumber: number;
  readonly baseSize: number;
  readonly sequence: number;
  readonly staged: boolean;
  readonly dirty: boolean;
  readonly contentItem: RemoteId;
  readonly contentVersion: VersionId;
  /** Bytes. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly mode: number | undefined;
  readonly flushed: boolean;
  /** The staging file's mtime when its content was acknowledged, milliseconds; 0: not known. */
  readonly stagedAt: number;
  readonly state: IntentState;
  readonly reason: string | undefined;
  /** Milliseconds since the epoch by this machine's clock; so is `since`. */
  readonly changedAt: number;
  readonly since: number;
  readonly attempts: number;
  /** When the last call that changes something began; unique among calls. 0: no outcome is unknown. */
  readonly attemptAt: number;
  /**
   * What that call was to do. It stays with the item through local changes until a lookup; undefined: no outcome is
   * unknown.
   */
  readonly attempted: Attempt | undefined;
  readonly released: boolean;
  /** Local user and host. */
  readonly who: string;
  readonly upload: string | undefined;
  /** Boot and disk at which the content was acknowledged without being on stable storage; undefined: it is there. */
  readonly volatile: string | undefined;
  readonly gaps: Gaps | undefined;
}

/** Reason for holding an intent that was being written when the daemon was killed. */
export const INTERRUPTED = 'it was being written when the daemon was killed; release or discard it';

/** Reason for holding an intent whose bytes were not on stable storage when the machine went down. */
export const UNSURE = 'the machine went down before its bytes were on the disk; look at it, then release or discard it';

/** Reason for holding an intent whose content a program could not write to the end. */
export const INCOMPLETE =
  'a write to it failed or the disk was full, so it may be incomplete; write it anew, release or discard it';

/** Reason for holding an intent whose folder is not known. */
export const UNPLACED =
  'its folder is not known any more, since the mirror was lost; discard it, which keeps its bytes';

/** Reason for holding an intent for bytes that an older copy of the outbox does not know. */
export const UNRECORDED =
  'the outbox is an older copy that does not know these bytes; look at them, then release or discard it';

const FOR_A_PERSON: readonly (string | undefined)[] = [INTERRUPTED, UNSURE, INCOMPLETE, UNPLACED, UNRECORDED];

/** Only a user can decide whether this may be sent. */
export const needsPerson = (intent: Intent): boolean => !intent.released && FOR_A_PERSON.includes(intent.reason);

/** The last attempt failed. */
export const hasFailed = ({ state }: Intent): boolean => state === 'failed' || state === 'refused';

/** The item stays on this machine, and so do items created in it. */
export const isLocal = (intent: Intent | undefined): boolean => intent?.state === 'local';

export const NO_REMOTE = 0 as RemoteId;
export const NO_VERSION = 0 as VersionId;
export const NO_INODE = 0 as Inode;

export interface IntentRow {
  readonly inode: number;
  readonly remote_id: number;
  readonly folder: number;
  readonly parent: number;
  readonly name: string;
  readonly deleted: number;
  readonly base_parent: number;
  readonly base_name: string;
  readonly base_version: number;
  readonly base_number: number;
  readonly base_size: number;
  readonly sequence: number;
  readonly staged: number;
  readonly dirty: number;
  readonly content_item: number;
  readonly content_version: number;
  readonly size: number;
  readonly mtime: number;
  readonly mode: number | null;
  readonly flushed: number;
  readonly state: string;
  readonly reason: string | null;
  readonly changed_at: number;
  readonly since: number;
  readonly attempts: number;
  readonly attempt_at: number;
  readonly released: number;
  readonly who: string;
  readonly upload: string | null;
  readonly volatile: string | null;
  readonly gaps: string | null;
  readonly staged_at: number;
  readonly attempted: string | null;
}

export const toRow = (i: Intent): IntentRow => ({
  inode: i.inode,
  remote_id: i.remoteId,
  folder: Number(i.folder),
  parent: i.parent,
  name: i.name,
  deleted: Number(i.deleted),
  base_parent: i.baseParent,
  base_name: i.baseName,
  base_version: i.baseVersion,
  base_number: i.baseNumber,
  base_size: i.baseSize,
  sequence: i.sequence,
  staged: Number(i.staged),
  dirty: Number(i.dirty),
  content_item: i.contentItem,
  content_version: i.contentVersion,
  size: i.size,
  mtime: i.mtime,
  mode: i.mode ?? null,
  flushed: Number(i.flushed),
  state: i.state,
  reason: i.reason ?? null,
  changed_at: i.changedAt,
  since: i.since,
  attempts: i.attempts,
  attempt_at: i.attemptAt,
  released: Number(i.released),
  who: i.who,
  upload: i.upload ?? null,
  volatile: i.volatile ?? null,
  gaps: i.gaps ? JSON.stringify(i.gaps) : null,
  staged_at: i.stagedAt,
  attempted: i.attempted ? JSON.stringify(i.attempted) : null,
});

export const intentFromRow = (r: IntentRow): Intent => ({
  inode: asInode(r.inode),
  remoteId: r.remote_id as RemoteId,
  folder: r.folder === 1,
  parent: asInode(r.parent),
  name: r.name,
  deleted: r.deleted === 1,
  baseParent: asInode(r.base_parent),
  baseName: r.base_name,
  baseVersion: r.base_version as VersionId,
  baseNumber: r.base_number,
  baseSize: r.base_size,
  sequence: r.sequence,
  staged: r.staged === 1,
  dirty: r.dirty === 1,
  contentItem: r.content_item as RemoteId,
  contentVersion: r.content_version as VersionId,
  size: r.size,
  mtime: r.mtime,
  mode: r.mode ?? undefined,
  flushed: r.flushed === 1,
  state: r.state as IntentState,
  reason: r.reason ?? undefined,
  changedAt: r.changed_at,
  since: r.since,
  attempts: r.attempts,
  attemptAt: r.attempt_at,
  released: r.released === 1,
  who: r.who,
  upload: r.upload ?? undefined,
  volatile: r.volatile ?? undefined,
  gaps: r.gaps === null ? undefined : (JSON.parse(r.gaps) as Gaps),
  stagedAt: r.staged_at,
  attempted: r.attempted === null ? undefined : (JSON.parse(r.attempted) as Attempt),
});
