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

/** Why an item is left as it is. */
export interface Unsure {
  readonly status: ItemStatus;
  readonly reason: string;
}

/**
 * Completes a pair with an item that a listing lacks but that exists when it is asked for by name: some listings are
 * delayed, and some omit names.
 */
export async function lookedFor(frame: Frame, pair: Pair, { source, destination, signal }: Ends): Promise<Pair> {
  const { record } = pair;
  // A missing folder has no items, so nothing is looked up there.
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
 * Asks the endpoint that lacks a transferred item whether it was deleted there. Undefined: it was, or nothing is
 * missing. Otherwise the item is left as it is, with everything below it.
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

/**
 * Why an item that exists only at the destination and was never transferred is neither deleted by `publish` nor copied
 * to the source by `sync`.
 */
async function whyNotNew(
  frame: Frame,
  name: string,
  otherName: string,
  { transfer, source, signal }: Ends,
): Promise<Unsure | undefined> {
  const { transfer_type: type } = transfer;
  if (type !== 'publish' && type !== 'sync') return undefined;
  const path = childPath(frame.source, name);
  if (await source.isDetached?.(path, signal)) return changing(path);
  // A conflict copy: somebody saved it while a file was written there.
  if (type === 'sync' || !isConflictName(otherName)) return undefined;
  const kept = childPath(frame.destination, otherName);
  return { status: 'remediation', reason: new Failure('item-beside', { path: kept }).line };
}
