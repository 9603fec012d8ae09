import { Failure } from '../../base/errors.js';
import { childPath } from '../../endpoints/paths.js';
import { MOUNT_ID } from '../../endpoints/target.js';
import { isConflictName } from '../../outbox/upload/conflict-name.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { ItemStatus } from '../definition/words.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';
import type { Frame, Pair } from './frame.js';

interface Ends {
  readonly transfer: Transfer;
  readonly source: Endpoint;
  readonly destination: Endpoint;
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
  const look = async (endpoint: Endpoint, path: string): Promise<EndpointItem | undefined> => {
    const item = await endpoint.stat(path, signal);
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
 * Undefined: it was, or nothing is missing. Otherwise it is left alone, with all that is below it.
 */
export async function whyUnsure(
  frame: Frame,
  { name, otherName, source, destination, record }: Pair,
  ends: Ends,
): Promise<Unsure | undefined> {
  if (!record) return source || !destination ? undefined : whyNotNew(frame, name, otherName, ends);
  const looks = [
    { endpoint: ends.source, item: source, id: record.source?.id, path: childPath(frame.source, name) },
    {
      endpoint: ends.destination,
      item: destination,
      id: record.destination?.id,
      path: childPath(frame.destination, otherName),
    },
  ];
  for (const { endpoint, item, id, path } of looks) {
    if (item && (id !== MOUNT_ID || item.id === MOUNT_ID)) continue;
    const absence = item ? 'away' : await endpoint.absence({ path, id }, ends.signal);
    const failed = (code: 'item-unmounted' | 'item-unseen'): string =>
      new Failure(code, { target: endpoint.root, path }).line;
    if (absence === 'changing') return changing(path);
    if (absence === 'away') return { status: 'retry', reason: failed('item-unmounted') };
    if (absence === 'unseen') return { status: 'remediation', reason: failed('item-unseen') };
  }
  return undefined;
}

const changing = (path: string): Unsure => ({ status: 'retry', reason: new Failure('item-changed', { path }).line });

/** Why what is only at the destination, and was never transferred, is neither published away nor brought to the source. */
async function whyNotNew(
  frame: Frame,
  name: string,
  otherName: string,
  { transfer, source, signal }: Ends,
): Promise<Unsure | undefined> {
  const { transfer_type: type } = transfer;
  if (type !== 'publish' && type !== 'sync') return undefined;
  const path = childPath(frame.source, name);
  if (await source.isAside?.(path, signal)) return changing(path);
  // Somebody saved it while something was written there.
  if (type === 'sync' || !isConflictName(otherName)) return undefined;
  const kept = childPath(frame.destination, otherName);
  return { status: 'remediation', reason: new Failure('item-beside', { path: kept }).line };
}
