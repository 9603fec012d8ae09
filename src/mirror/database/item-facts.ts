import type { RemoteId } from '../../base/ids.js';
import type { RemoteItem } from '../../procore/items.js';
import type { Confirmed } from './confirmed.js';
import { BIN, DELETED, FILE, OWN, PRIVATE, READ_ONLY } from './flags.js';
import type { MirrorRow } from './item-rows.js';

/**
 * Whether the item is older than the row, as a lagging index may still show it. A row from a time that is still to come
 * was updated while the server's clock was ahead: later updates have earlier times.
 */
export const isOlder = (item: RemoteItem, row: MirrorRow, serverTime: number): boolean => {
  const isComparable = row.updated_at <= serverTime || item.updatedAt > serverTime;
  if (isComparable && item.updatedAt !== row.updated_at) return item.updatedAt < row.updated_at;
  return (item.version?.number ?? 0) < row.version_number;
};

/**
 * Whether a lagging index may still show the item as it was before our last call deleted it: with an older version, or
 * not deleted and not updated since.
 */
export const undoesDeletion = (item: RemoteItem, row: MirrorRow, confirmed: Confirmed): boolean =>
  (item.version?.number ?? 0) < row.version_number ||
  ((row.flags & DELETED) !== 0 && !item.deleted && item.updatedAt <= row.seen_at && confirmed.isDeletion(item.id));

/**
 * The latest possible deletion time of a restored item, seconds by its own timestamps. Timestamps are whole seconds: a
 * deletion in the same second as the restore counts as a new one, because if it was the earlier one, a later poll shows
 * the item again.
 */
export const deletedBy = (item: RemoteItem, serverTime: number, row: MirrorRow | undefined): number =>
  Math.min(row && (row.flags & DELETED) !== 0 ? row.updated_at : item.updatedAt, serverTime - 1);

/**
 * Whether a lagging index may still show an item that we restored in the recycle bin. An item that was moved or deleted
 * since then does not match.
 */
export function undoesRestoring(item: RemoteItem, row: MirrorRow, parent: RemoteId, confirmed: Confirmed): boolean {
  const deletedAt = confirmed.restoredFrom(item.id);
  if (deletedAt === undefined || !item.deleted || (row.flags & DELETED) !== 0) return false;
  return item.updatedAt <= deletedAt && parent === row.parent_id;
}

export function flagsOf(item: RemoteItem): number {
  return (
    (item.deleted ? DELETED : 0) |
    (item.recycleBin ? BIN : 0) |
    (item.type === 'file' ? FILE : 0) |
    (item.private ? PRIVATE : 0) |
    (item.readOnly ? READ_ONLY : 0)
  );
}

export function changed(row: MirrorRow, item: RemoteItem, flags: number, parent: RemoteId, name: string): boolean {
  return (
    row.flags !== flags ||
    row.parent_id !== parent ||
    row.name !== name ||
    row.updated_at !== item.updatedAt ||
    row.version_id !== (item.version?.id ?? 0)
  );
}

/**
 * Whether the item was created here, and nobody else has changed it as far as is known.
 * @param own the call that the item is the result of, if it is ours; `made`: it gave an item of this machine its row
 */
export function isOwnItem(
  item: RemoteItem,
  row: MirrorRow | undefined,
  parent: RemoteId,
  own: { readonly made: boolean; readonly replaced?: number; readonly restored?: true } | undefined,
): boolean {
  const { id, number } = item.version ?? { id: 0, number: 0 };
  if (own?.replaced !== undefined || own?.restored) return false;
  if (own?.made && number <= 1) return true;
  if (!row || (row.flags & OWN) === 0) return false;
  if (own) return number <= row.version_number + 1;
  return row.version_id === id && row.parent_id === parent && (row.remote_name ?? row.name) === item.name;
}
