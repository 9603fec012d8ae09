import { Failure } from '../../base/errors.js';
import { isConflictName } from '../../outbox/conflict-name.js';
import { childPath } from '../../targets/paths.js';
import { MOUNT_ID } from '../../targets/target.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { ItemStatus } from '../definition/words.js';
import type { Side, SideItem } from '../sides/side.js';
import type { Frame, Pair } from './frame.js';

interface Ends {
  readonly transfer: Transfer;
  readonly source: Side;
  readonly destination: Side;
  readonly signal: AbortSignal;
}

/** Why an item is left alone. */
export interface Unsure {
  readonly status: ItemStatus;
  readonly reason: string;
}

/**
 * A pair with what a listing did not show of it, but that is there when it is asked for by name: some listings are late,
 * and some leave names out.
 */
export async function lookedFor(frame: Frame, pair: Pair, { source, destination, signal }: Ends): Promise<Pair> {
  const { record } = pair;
  // Of a folder that is not there, nothing is.
  const look = async (side: Side, path: string): Promise<SideItem | undefined> => {
    const item = await side.stat(path, signal);
    return item && !item.unusable && item.folder === record?.isFolder ? item : undefined;
  };
  if (!record) return pair;
  if (!pair.source && frame.atSource)
    return { ...pair, source: await look(source, childPath(frame.source, pair.name)) };
  if (!pair.destination && frame.atDestination)
    return { ...pair, destination: await look(destination, childPath(frame.destination, pair.otherName)) };
  return pair;
}

/**
 * Whether a transferred item that is on one side only, or on neither, was deleted is said by the side that lacks it.
 * Undefined: it was, or nothing is missing. Otherwise it is left alone, with all that is below it. So is what was kept beside
 * something at the destination, which publishing would delete.
 */
export async function whyUnsure(
  frame: Frame,
  { name, otherName, source, destination, record }: Pair,
  ends: Ends,
): Promise<Unsure | undefined> {
  if (!record) {
    const isKept = ends.transfer.transfer_type === 'publish' && !source && destination && isConflictName(otherName);
    const path = childPath(frame.destination, otherName);
    return isKept ? { status: 'remediation', reason: new Failure('item-beside', { path }).line } : undefined;
  }
  const looks = [
    { side: ends.source, item: source, id: record.source?.id, path: childPath(frame.source, name) },
    {
      side: ends.destination,
      item: destination,
      id: record.destination?.id,
      path: childPath(frame.destination, otherName),
    },
  ];
  for (const { side, item, id, path } of looks) {
    if (item && (id !== MOUNT_ID || item.id === MOUNT_ID)) continue;
    const absence = item ? 'away' : await side.absence({ path, id }, ends.signal);
    const failed = (code: 'item-unmounted' | 'item-unseen'): string =>
      new Failure(code, { target: side.root, path }).line;
    if (absence === 'changing') return { status: 'retry', reason: new Failure('item-changed', { path }).line };
    if (absence === 'away') return { status: 'retry', reason: failed('item-unmounted') };
    if (absence === 'unseen') return { status: 'remediation', reason: failed('item-unseen') };
  }
  return undefined;
}
