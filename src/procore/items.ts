import type { RemoteId, VersionId } from '../base/ids.js';

/** The current version of a file, from any listing. */
export interface RemoteVersion {
  readonly id: VersionId;
  /** Counts up from 1 within a file. */
  readonly number: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly createdAt: number;
  readonly createdBy: string | undefined;
  /** URL of the bytes. A secret (it is signed), and it expires. Undefined where the reply had none. */
  readonly url: string | undefined;
}

/** A file or folder, from any listing (index, folder, single file). */
export interface RemoteItem {
  readonly id: RemoteId;
  readonly type: 'file' | 'folder';
  /** As the server has it: any text, including "/" and control characters. */
  readonly name: string;
  /** Null only for the project's root folder. */
  readonly parentId: RemoteId | null;
  /** Seconds since the epoch, server time. */
  readonly updatedAt: number;
  readonly createdAt: number;
  /** In the recycle bin (or part of its content). */
  readonly deleted: boolean;
  /** The "Recycle Bin" system folder itself. */
  readonly recycleBin: boolean;
  readonly private: boolean;
  readonly readOnly: boolean;
  /** Folders only, if the reply contains it. */
  readonly hasChildren?: boolean;
  /** Files only. */
  readonly version: RemoteVersion | undefined;
  readonly checkedOutBy: string | undefined;
  /** Seconds since the epoch. */
  readonly checkedOutUntil: number | undefined;
}

/** A row that could not be parsed: it is reported, and the rest of the page is used. */
export interface BadRow {
  readonly id: number | undefined;
  readonly problem: string;
}

/** One page of the flat index. */
export interface IndexPage {
  readonly items: readonly RemoteItem[];
  readonly bad: readonly BadRow[];
  /** Rows over all pages, by the `Total` header; undefined if it was missing. */
  readonly total: number | undefined;
  readonly page: number;
  readonly perPage: number;
  /** The server's `Date`, seconds since the epoch. */
  readonly serverTime: number;
}

/** One folder with its direct children. */
export interface FolderListing {
  readonly folder: RemoteItem;
  readonly children: readonly RemoteItem[];
  readonly bad: readonly BadRow[];
  readonly serverTime: number;
}

/** Filters of the index (`filters[…]`); times are seconds since the epoch, inclusive. */
export interface IndexFilter {
  readonly updatedFrom?: number;
  readonly updatedTo?: number;
  readonly type?: 'file' | 'folder';
  /** The subtree of this folder, including the folder. */
  readonly folderId?: RemoteId;
  readonly inRecycleBin?: boolean;
}
