import type { Inode, RemoteId, VersionId } from '../../base/ids.js';
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

/** The column or expression of each property in the table `items`, in the order of the columns of a row. */
const listed = {
  inode: 'inode',
  name: 'name',
  flags: 'flags',
  updatedAt: 'updated_at',
  size: 'size',
  versionAt: 'version_at',
  sequence: 'node_sequence',
} as const satisfies Partial<Record<keyof Item, string>>;
export const itemTable = {
  ...listed,
  remoteId: 'remote_id',
  parentId: 'parent_id',
  remoteName: 'coalesce(remote_name, name)',
  createdAt: 'created_at',
  versionId: 'version_id',
  versionNumber: 'version_number',
} as const satisfies Partial<Record<keyof Item, string>>;

/** Values in the order of a table's columns (`raw` of better-sqlite3): several times as fast to read as an object. */
export type RawRow = readonly unknown[];
type Table = Readonly<Record<string, string>>;

export const columnsOf = (table: Table): string => Object.values(table).join(', ');

/** The index of each property's value in a row. */
export const placesOf = <T extends Table>(table: T): { readonly [Name in keyof T]: number } =>
  Object.fromEntries(Object.keys(table).map((name, place) => [name, place])) as { [Name in keyof T]: number };

export const LISTED_COLUMNS = columnsOf(listed);
export const ITEM_COLUMNS = columnsOf(itemTable);
const AT = placesOf(itemTable);

// Written out twice: spreading one object into another takes a hundred times as long.
export const toListedItem = (row: RawRow): ListedItem => ({
  inode: row[AT.inode] as Inode,
  name: row[AT.name] as string,
  flags: row[AT.flags] as number,
  isFile: ((row[AT.flags] as number) & FILE) !== 0,
  updatedAt: row[AT.updatedAt] as number,
  size: row[AT.size] as number,
  versionAt: row[AT.versionAt] as number,
  sequence: row[AT.sequence] as number,
});

export const toItem = (row: RawRow): Item => ({
  inode: row[AT.inode] as Inode,
  remoteId: row[AT.remoteId] as RemoteId,
  parentId: row[AT.parentId] as RemoteId,
  name: row[AT.name] as string,
  remoteName: row[AT.remoteName] as string,
  flags: row[AT.flags] as number,
  isFile: ((row[AT.flags] as number) & FILE) !== 0,
  updatedAt: row[AT.updatedAt] as number,
  createdAt: row[AT.createdAt] as number,
  size: row[AT.size] as number,
  versionId: row[AT.versionId] as VersionId,
  versionNumber: row[AT.versionNumber] as number,
  versionAt: row[AT.versionAt] as number,
  sequence: row[AT.sequence] as number,
});
