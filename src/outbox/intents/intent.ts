import { asInode, type Inode, type RemoteId, type VersionId } from '../../base/ids.js';
import type { Digests } from '../../procore/own-versions.js';

/**
 * open: being written, not acknowledged yet · held: acknowledged, waits for the settle time or for the brake's release ·
 * waiting: may go up · uploading · failed: tried, will be tried again · refused: the server does not take it as it is, a
 * person must change it · local: stays on this machine.
 */
export type IntentState = 'open' | 'held' | 'waiting' | 'uploading' | 'failed' | 'refused' | 'local';

/** What of a staging file is not there yet, and comes from a version of the server. */
export interface Gaps {
  readonly item: RemoteId;
  readonly version: VersionId;
  /** Bytes of the version. */
  readonly size: number;
  /** start, end, start, end, … */
  readonly missing: readonly number[];
}

/** What a call that changes something was to bring about. Until its outcome is known the server may have it or not. */
export interface Attempt {
  /** Where the item was to be. */
  readonly parent: Inode;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The upload that was to be its content; undefined: the content was to stay. */
  readonly upload: string | undefined;
  /** What that content is. Older programs did not write it down. */
  readonly digests?: Digests | undefined;
  /** The item was to be deleted: server time of the look before, seconds. */
  readonly removal?: number;
}

/** Why an item here differs from what the server said last, and from what it started. One an item, replaced on change. */
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
  /** When the staging file had changed last as it was acknowledged, milliseconds by its own time stamp; 0: not known. */
  readonly stagedAt: number;
  readonly state: IntentState;
  readonly reason: string | undefined;
  /** Milliseconds since the epoch, this machine's clock; so are the following. */
  readonly changedAt: number;
  readonly since: number;
  readonly attempts: number;
  /** When the last call that changes something began; no two begin at the same time. 0: none is in doubt. */
  readonly attemptAt: number;
  /** Whatever people do to the item meanwhile, this goes along until one has looked; undefined: nothing is in doubt. */
  readonly attempted: Attempt | undefined;
  readonly released: boolean;
  /** Local user and host. */
  readonly who: string;
  readonly upload: string | undefined;
  /** Where the content was acknowledged while it was not on the platter yet; undefined: it is. */
  readonly volatile: string | undefined;
  readonly gaps: Gaps | undefined;
}

/** Why an intent is held that was being written when the daemon was killed. */
export const INTERRUPTED = 'it was being written when the daemon was killed; release or discard it';

/** Why an intent is held whose bytes were not on the platter when the machine went down. */
export const UNSURE = 'the machine went down before its bytes were on the disk; look at it, then release or discard it';

/** Why an intent is held whose content a program could not write to the end. */
export const INCOMPLETE =
  'a write to it failed or the disk was full, so it may be incomplete; write it anew, release or discard it';

/** Why an intent is held of which nobody knows where it belongs. */
export const UNPLACED =
  'its folder is not known any more, since the mirror was lost; discard it, which keeps its bytes';

const FOR_A_PERSON: readonly (string | undefined)[] = [INTERRUPTED, UNSURE, INCOMPLETE, UNPLACED];

/** Only a person can say whether this may go up. */
export const needsPerson = (intent: Intent): boolean => !intent.released && FOR_A_PERSON.includes(intent.reason);

/** An attempt at it failed. */
export const hasFailed = ({ state }: Intent): boolean => state === 'failed' || state === 'refused';

/** It stays on this machine, and what is made in it does too. */
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
