import type { FailureJson } from '../../base/errors.js';
import type { Inode, RemoteId, VersionId } from '../../base/ids.js';
import type { RemoteItem } from '../../procore/items.js';
import type { TransferableBody } from '../../procore/transport/body.js';
import type { ListedSpan } from './absence.js';
import type { Change } from './changes.js';
import type { FolderAt } from './index-positions.js';
import type { Binding, Numbers } from './numbers.js';
import type { Own } from './writer.js';

/** Requests of the mirror's owner to the thread that writes `mirror.db`, and the answers. */
export type Meta = Readonly<Record<string, string | number>>;

export type WriterRequest =
  | {
      readonly op: 'page';
      readonly body: TransferableBody;
      readonly serverTime: number;
      readonly knownSince: number | undefined;
      readonly meta: Meta;
    }
  | {
      readonly op: 'items';
      readonly items: readonly RemoteItem[];
      readonly serverTime: number;
      readonly knownSince: number | undefined;
      readonly meta: Meta;
    }
  | {
      readonly op: 'sweep';
      readonly body: TransferableBody;
      readonly serverTime: number;
      readonly knownSince: number | undefined;
      /** The requested step and page size; `total`: rows that the server counts from `from` on. */
      readonly from: number;
      readonly page: number;
      readonly perPage: number;
      readonly total: number | undefined;
    }
  /** Parses a page of the index without storing it. */
  | { readonly op: 'read'; readonly body: TransferableBody }
  | ({ readonly op: 'settle' } & ListedSpan)
  | { readonly op: 'subtree-listed'; readonly folder: RemoteId }
  | {
      readonly op: 'listing';
      readonly body: TransferableBody;
      readonly serverTime: number;
      readonly knownSince: number | undefined;
    }
  | {
      readonly op: 'confirm';
      readonly item: RemoteItem;
      readonly serverTime: number;
      readonly inode: Inode;
      readonly own: Own;
    }
  | { readonly op: 'own'; readonly item: RemoteItem; readonly serverTime: number }
  | { readonly op: 'confirm-deletion'; readonly id: RemoteId; readonly serverTime: number }
  | { readonly op: 'renew'; readonly inode: Inode }
  | {
      readonly op: 'longest-below';
      readonly folders: readonly FolderAt[];
      readonly without: readonly RemoteId[];
    }
  | { readonly op: 'numbers' }
  | {
      readonly op: 'bind';
      readonly bindings: readonly Binding[];
      readonly freed: readonly Binding[];
      readonly above: number;
    }
  | { readonly op: 'ignore-case' }
  | { readonly op: 'finish-crawl'; readonly meta: Meta; readonly unlisted: readonly RemoteId[] }
  | { readonly op: 'meta'; readonly meta: Meta }
  | { readonly op: 'set-back'; readonly now: number; readonly from: number }
  | { readonly op: 'sync' }
  | { readonly op: 'rank'; readonly id: RemoteId }
  | { readonly op: 'count-until'; readonly time: number }
  | { readonly op: 'close' };

/** The result of storing a reply. Its changes are reported before it. */
export interface PageResult {
  /** Items that were not in the mirror before. */
  readonly added: number;
  /** Items that changed, including new ones. */
  readonly changed: number;
  /** Rows of the reply, including bad ones. */
  readonly rows: number;
  readonly bad: readonly { readonly id: number | undefined; readonly problem: string }[];
  /** `updated_at` of the first and the last row of the page, seconds; undefined for an empty page. */
  readonly first: number | undefined;
  readonly last: number | undefined;
}

export interface SweepResult extends PageResult {
  readonly doubtful: readonly RemoteId[];
  /** Folders of the doubtful items, to be listed. */
  readonly folders: readonly RemoteId[];
}

/** An item as a page of the index shows it. Times are seconds, server time. */
export interface ReadRow {
  readonly id: RemoteId;
  /** 0: a folder, or a file without content. */
  readonly version: VersionId;
  /** Creation time of the version; for a folder, its own. */
  readonly madeAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly deleted: boolean;
}

export interface ReadPage extends Pick<PageResult, 'last'> {
  readonly items: readonly ReadRow[];
  /** Rows of the page, including bad ones. */
  readonly rows: number;
}

export interface WriterResults {
  readonly page: PageResult;
  readonly read: ReadPage;
  readonly sweep: SweepResult;
  /** Folders that must still be listed. */
  readonly settle: { readonly folders: readonly RemoteId[] };
  readonly 'subtree-listed': undefined;
  readonly items: PageResult;
  readonly listing: PageResult;
  readonly confirm: PageResult;
  readonly own: PageResult;
  readonly 'confirm-deletion': PageResult;
  /** See `Writer.renew`. */
  readonly renew: PageResult;
  /** See `IndexPositions.longestBelow`. */
  readonly 'longest-below': number;
  readonly numbers: Numbers;
  readonly bind: PageResult;
  readonly 'ignore-case': PageResult;
  readonly 'finish-crawl': undefined;
  readonly meta: undefined;
  readonly 'set-back': undefined;
  readonly sync: undefined;
  /** How many files come before this one by (updated_at, id). */
  readonly rank: number;
  /** Items with `updated_at` ≤ time, hidden ones included. */
  readonly 'count-until': number;
  readonly close: undefined;
}

/** An error as passed between threads. `code` is that of SQLite, or an errno. */
export interface AnsweredError {
  readonly message: string;
  readonly code?: unknown;
  /** Set if the error is a `Failure`. */
  readonly failure?: FailureJson;
}

export type Envelope = { readonly id: number; readonly request: WriterRequest };
/** Sent to the writer thread when a part of the changes was handled and more are left. */
export const MORE = 'more';
export type WriterReply =
  | {
      readonly id: number;
      readonly changes?: readonly Change[];
      readonly result?: unknown;
      readonly error?: AnsweredError;
    }
  /** A part of the changes of a reply that has very many. */
  | { readonly changes: readonly Change[] }
  /** All changes of the request that is executed, serialized, before they are stored. */
  | { readonly untold: Uint8Array };
