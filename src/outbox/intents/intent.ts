import type { Inode, RemoteId, VersionId } from '../../base/ids.js';
import { bit, json, optional, Table } from '../../database/table.js';
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
export interface Goal {
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

/** The last call that changes something. It stays with the item through local changes until a lookup. */
export interface Attempt {
  /** When it began; unique among calls. 0: no outcome is unknown. */
  readonly at: number;
  /** Undefined: no outcome is unknown, or an older program version sent a deletion. */
  readonly goal: Goal | undefined;
}

/** The item as it is here; of a deleted one, where it was. */
interface Here {
  readonly parent: Inode;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly mode: number | undefined;
}

/** The server's state from which the local change started. */
interface Base {
  /** 0: nowhere at the server. */
  readonly parent: Inode;
  readonly name: string;
  readonly version: VersionId;
  readonly number: number;
  readonly size: number;
}

/** Where the content is, and what of it the server does not have. */
interface Content {
  /** The file and version that it comes from while it is not staged; 0: from the base. */
  readonly item: RemoteId;
  readonly version: VersionId;
  /** A staging file holds it. */
  readonly staged: boolean;
  /** It must be sent. */
  readonly dirty: boolean;
  /** A close or sync has acknowledged it. */
  readonly flushed: boolean;
  /** The staging file's mtime when it was acknowledged, milliseconds; 0: not known. */
  readonly stagedAt: number;
  /** State of its upload. */
  readonly upload: string | undefined;
  /** Boot and disk at which it was acknowledged without being on stable storage; undefined: it is there. */
  readonly volatile: string | undefined;
  readonly gaps: Gaps | undefined;
}

/** The difference between an item here and the server's last known state. One per item, replaced on change. */
export interface Intent {
  readonly inode: Inode;
  /** 0: not at the server. */
  readonly remoteId: RemoteId;
  readonly folder: boolean;
  readonly deleted: boolean;
  readonly here: Here;
  readonly base: Base;
  readonly content: Content;
  readonly attempt: Attempt;
  readonly sequence: number;
  readonly state: IntentState;
  readonly reason: string | undefined;
  /** Milliseconds since the epoch by this machine's clock; so is `since`. */
  readonly changedAt: number;
  readonly since: number;
  readonly attempts: number;
  readonly released: boolean;
  /** Local user and host. */
  readonly who: string;
}

export const intentTable = new Table<Intent>('intents', {
  inode: 'inode',
  remoteId: 'remote_id',
  folder: bit('folder'),
  deleted: bit('deleted'),
  here: { parent: 'parent', name: 'name', size: 'size', mtime: 'mtime', mode: optional('mode') },
  base: {
    parent: 'base_parent',
    name: 'base_name',
    version: 'base_version',
    number: 'base_number',
    size: 'base_size',
  },
  content: {
    item: 'content_item',
    version: 'content_version',
    staged: bit('staged'),
    dirty: bit('dirty'),
    flushed: bit('flushed'),
    stagedAt: 'staged_at',
    upload: optional('upload'),
    volatile: optional('volatile'),
    gaps: json('gaps'),
  },
  attempt: { at: 'attempt_at', goal: json('attempted') },
  sequence: 'sequence',
  state: 'state',
  reason: optional('reason'),
  changedAt: 'changed_at',
  since: 'since',
  attempts: 'attempts',
  released: bit('released'),
  who: 'who',
});

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

/** The item is nowhere at the server. */
export const NO_BASE: Base = { parent: NO_INODE, name: '', version: NO_VERSION, number: 0, size: 0 };

/** The content is that of the base. */
export const BASE_CONTENT: Content = {
  item: NO_REMOTE,
  version: NO_VERSION,
  staged: false,
  dirty: false,
  flushed: true,
  stagedAt: 0,
  upload: undefined,
  volatile: undefined,
  gaps: undefined,
};

/** No call has an unknown outcome. */
export const NO_ATTEMPT: Attempt = { at: 0, goal: undefined };

/** The item under another name here. */
export const renamedTo = (intent: Intent, name: string): Intent => ({ ...intent, here: { ...intent.here, name } });

/** The item with its place here. */
export const placed = ({ inode, here: { parent, name } }: Intent) => ({ inode, parent, name });
