import type { Inode, RemoteId, VersionId } from '../../base/ids.js';
import { Column, type Columns, Table } from '../../database/table.js';
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
  /** The node sequence: counts the versions of the item that this mirror has seen. */
  readonly sequence: number;
}

/** The properties of an item that a directory listing needs. */
export type ListedItem = Pick<
  Item,
  'inode' | 'name' | 'flags' | 'isFile' | 'updatedAt' | 'size' | 'versionAt' | 'sequence'
>;

const listed: Columns<ListedItem> = {
  inode: 'inode',
  name: 'name',
  flags: 'flags',
  isFile: new Column('flags', (flags: number) => (flags & FILE) !== 0),
  updatedAt: 'updated_at',
  size: 'size',
  versionAt: 'version_at',
  sequence: 'node_sequence',
};
export const itemColumns: Columns<Item> = {
  ...listed,
  remoteId: 'remote_id',
  parentId: 'parent_id',
  remoteName: 'coalesce(remote_name, name)',
  createdAt: 'created_at',
  versionId: 'version_id',
  versionNumber: 'version_number',
};
export const listedTable = new Table<ListedItem>('items', listed);
export const itemTable = new Table<Item>('items', itemColumns);
