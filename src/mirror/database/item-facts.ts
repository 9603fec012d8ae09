import type { RemoteId } from '../../base/ids.js';
import type { RemoteItem } from '../../procore/items.js';
import type { Confirmed } from './confirmed.js';
import { BIN, DELETED, FILE, PRIVATE, READ_ONLY } from './flags.js';
import type { MirrorRow } from './item-rows.js';

/** What a lagging index still says of an item that has moved on. */
export const isOlder = (item: RemoteItem, row: MirrorRow): boolean =>
  item.updatedAt < row.updated_at ||
  (item.updatedAt === row.updated_at && (item.version?.number ?? 0) < row.version_number);

/** What such an index says of an item that our call deleted last: all that had not changed by then. */
export const undoesDeletion = (item: RemoteItem, row: MirrorRow, confirmed: Confirmed): boolean =>
  (item.version?.number ?? 0) < row.version_number ||
  ((row.flags & DELETED) !== 0 && !item.deleted && item.updatedAt <= row.seen_at && confirmed.isDeletion(item.id));

/**
 * When an item that was restored had been deleted at the latest, seconds by its own time. Times are whole seconds: what
 * deletes it within the second of the restoring counts, for a later poll shows it again where that was before.
 */
export const deletedBy = (item: RemoteItem, serverTime: number, row: MirrorRow | undefined): number =>
  Math.min(row && (row.flags & DELETED) !== 0 ? row.updated_at : item.updatedAt, serverTime - 1);

/** And of one that we restored: that it is in the bin, as it was before. What was moved or deleted since then is not so. */
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
