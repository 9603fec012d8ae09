import type { Inode, RemoteId, VersionId } from '../base/ids.js';
import { FILE } from './flags.js';

/** An item as the mirror knows it. Times are seconds since the epoch, server time. */
export interface Item {
  readonly inode: Inode;
  readonly remoteId: RemoteId;
  readonly parentId: RemoteId;
  /** As shown on Linux. */
  readonly name: string;
  readonly remoteName: string;
  readonly flags: number;
  readonly isFile: boolean;
  readonly updatedAt: number;
  readonly createdAt: number;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  readonly versionId: VersionId;
  readonly versionNumber: number;
  readonly versionAt: number;
  /** Which of the versions that this mirror has seen is the current one. */
  readonly sequence: number;
}

/** What a listing shows of an item. */
export type ListedItem = Pick<
  Item,
  'inode' | 'name' | 'flags' | 'isFile' | 'updatedAt' | 'size' | 'versionAt' | 'sequence'
>;

/** Where each is in the table `items`. */
const listed = {
  inode: 'inode',
  name: 'name',
  flags: 'flags',
  updatedAt: 'updated_at',
  size: 'size',
  versionAt: 'version_at',
  sequence: 'node_sequence',
} as const;
const whole = {
  ...listed,
  remoteId: 'remote_id',
  parentId: 'parent_id',
  remoteName: 'coalesce(remote_name, name)',
  createdAt: 'created_at',
  versionId: 'version_id',
  versionNumber: 'version_number',
} as const;

/** A row as the columns below bring it. */
export type ListedRow = Omit<ListedItem, 'isFile'>;
export type ItemRow = Omit<Item, 'isFile'>;

const columns = (table: Readonly<Record<string, string>>): string =>
  Object.entries(table)
    .map(([name, column]) => `${column} AS ${name}`)
    .join(', ');

export const LISTED_COLUMNS = columns(listed satisfies Record<keyof ListedRow, string>);
export const ITEM_COLUMNS = columns(whole satisfies Record<keyof ItemRow, string>);

const isFile = ({ flags }: { readonly flags: number }): boolean => (flags & FILE) !== 0;

export const toItem = (row: ItemRow): Item => ({ ...row, isFile: isFile(row) });

export const toListedItem = (row: ListedRow): ListedItem => ({ ...row, isFile: isFile(row) });
