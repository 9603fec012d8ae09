import { isFailure } from '../../base/errors.js';
import { childPath, parentOf } from '../../endpoints/paths.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';
import { differs, grainOf } from '../plan/decide.js';
import type { RunItem } from '../store/items.js';
import type { TransferRecord } from '../store/records.js';
import { type ActContext, itemChanged, lookAt, OK, pathsOf, type Result } from './context.js';

// All deletions of a run are made in this file and follow one rule: an item is deleted only while both endpoints are as
// the plan or the record says. Otherwise it is kept and the item fails with `item-changed` or `target-changed`; the
// next run plans it again.

/** Deletes an item at the endpoint that still has it. */
export async function discardItem(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const paths = pathsOf(item);
  const end = item.action === 'delete-source' ? 'source' : 'destination';
  const other = end === 'source' ? 'destination' : 'source';
  const endpoint = context[end];
  const now = await lookAt(paths, context, signal);
  const there = now[end];
  if (!there) return { ...OK, record: null };
  if (there.folder !== item.isFolder) throw itemChanged(paths[end]);
  const record = context.recordOf(item);
  // The item exists at the other endpoint again: a change wins over a deletion.
  if (record && now[other]) throw itemChanged(paths[other]);
  // A publish job deletes everything the plan has seen there; other jobs only what their records know.
  const isPublish = context.transfer.transfer_type === 'publish';
  const isKnown = !differs(there, record?.[end], grainOf(endpoint.rules)) || (isPublish && context.isPlanned(there));
  if (!there.folder && !isKnown) throw itemChanged(paths[end]);
  const isSeen = isPublish ? context.isPlanned : knownBelow(item, end, context);
  await discard(endpoint, there, context, signal, isSeen);
  return { ...OK, record: null };
}

/** Removes a transferred item from the source; a folder only if it is empty by now. */
export async function clearSource(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const { source } = pathsOf(item);
  if (!item.isFolder) {
    await leaveSource(item, context.recordOf(item), context, signal);
    return { ...OK, record: null };
  }
  try {
    await context.source.removeFolder(source, signal);
    return { ...OK, record: null };
  } catch (error) {
    if (!isFailure(error, 'target-not-empty')) throw error;
    return { status: 'skipped', reason: 'something is left in it', bytes: 0 };
  }
}

/** Removes a moved file from the source, provided that both endpoints are as recorded at the transfer. */
export async function leaveSource(
  item: RunItem,
  record: TransferRecord | undefined,
  context: ActContext,
  signal: AbortSignal,
): Promise<void> {
  const paths = pathsOf(item);
  const now = await lookAt(paths, context, signal);
  for (const end of ['destination', 'source'] as const) {
    const there = now[end];
    if (end === 'source' && !there) return;
    if (!there || there.folder || differs(there, record?.[end], grainOf(context[end].rules)))
      throw itemChanged(paths[end]);
  }
  await discard(context.source, now.source!, context, signal);
}

/** Deletes an item as it was seen: into the platform's recycle bin, else into the trash folder. */
const discard = (
  endpoint: Endpoint,
  seen: EndpointItem,
  { trash }: ActContext,
  signal: AbortSignal,
  isSeen?: (below: EndpointItem) => boolean,
): Promise<void> => endpoint.discard(seen, { ...(isSeen ? { isSeen } : {}), ...(trash ? { trash } : {}), signal });

/** Tests that an item below a folder is as recorded, so that no unknown content is deleted with the folder. */
function knownBelow(
  item: RunItem,
  end: 'source' | 'destination',
  context: ActContext,
): (below: EndpointItem) => boolean {
  const paths = pathsOf(item);
  const grain = grainOf(context[end].rules);
  /** Paths of folders at this endpoint → their paths in the records. */
  const folders = new Map([[paths[end], paths.source]]);
  let at: string | undefined;
  let known = new Map<string, TransferRecord>();
  return (below) => {
    const folder = parentOf(below.path);
    if (folder !== at) {
      const records = [...context.recordsIn(folders.get(folder) ?? '').values()];
      known = new Map(records.map((record) => [end === 'source' ? record.name : record.otherName, record]));
      at = folder;
    }
    const record = known.get(below.name);
    if (!record || record.isFolder !== below.folder || below.unusable) return false;
    if (!below.folder) return !differs(below, record[end], grain);
    folders.set(below.path, childPath(record.folder, record.name));
    return true;
  };
}
