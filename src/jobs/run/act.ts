import { Failure, isFailure } from '../../base/errors.js';
import { childPath, parentOf } from '../../endpoints/paths.js';
import { conflictName } from '../../outbox/upload/conflict-name.js';
import { conflictPolicies } from '../definition/conflicts.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';
import { differs, grainOf, winnerOf } from '../plan/decide.js';
import type { RunItem } from '../store/items.js';
import {
  type ActContext,
  type Direction,
  itemChanged,
  lookAt,
  OK,
  pathsOf,
  type Result,
  recorded,
  type WrittenFile,
} from './context.js';
import { clearSource, discardItem, leaveSource } from './discard.js';
import { ensureFolder } from './folders.js';
import { BACK, cameThrough, endsOf, FORWARD, isSame, type Transferred, transferFile } from './transfer.js';
import { kindOf } from './waiting.js';

/** Carries out the planned action of one item. @throws Failure if it cannot be done */
export function act(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  switch (item.action) {
    case 'copy':
      return copy(item, context, FORWARD, signal);
    case 'copy-back':
      return copy(item, context, BACK, signal);
    case 'compare':
    case 'conflict':
      return settle(item, context, signal);
    case 'create-folder':
    case 'create-folder-source':
      return createFolder(item, context, signal);
    case 'delete':
    case 'delete-source':
      return discardItem(item, context, signal);
    case 'clear-source':
      return clearSource(item, context, signal);
    case 'protect':
    case 'protect-source':
      return protect(item, context, signal);
    default:
      return Promise.resolve({ status: item.status, reason: item.reason, bytes: 0 });
  }
}

async function copy(item: RunItem, context: ActContext, way: Direction, signal: AbortSignal): Promise<Result> {
  const to = context[way.to];
  const toPath = pathsOf(item)[way.to];
  const end = (done: Transferred, revised: boolean): Promise<Result> =>
    finish(item, context, way, done, revised, signal);
  const through = context.again ? await cameThrough(item, way, context, signal) : undefined;
  if (through) return end(through, false);
  const before = context.recordOf(item)?.[way.to];
  const isPublish = context.transfer.transfer_type === 'publish';
  // For a new file the write itself checks that nothing is there.
  const there = before !== undefined || isPublish ? await to.stat(toPath, signal) : undefined;
  // A file that somebody changed at the receiving endpoint since the plan is not overwritten.
  const isKnown = (found: EndpointItem): boolean =>
    !differs(found, before, grainOf(to.rules)) || (isPublish && context.isPlanned(found));
  if (there && !isKnown(there) && !(await to.isLateWork?.(there, signal))) throw itemChanged(toPath);
  const done = await transferFile(item, way, there, context, signal).catch(async (error) => {
    // An endpoint that was unreachable may have returned a cached state to the check above.
    const late = context.again && isFailure(error, 'target-changed');
    const found = late ? await cameThrough(item, way, context, signal) : undefined;
    if (!found) throw error;
    return found;
  });
  return end(done, there !== undefined);
}

async function finish(
  item: RunItem,
  context: ActContext,
  way: Direction,
  done: Transferred,
  revised: boolean,
  signal: AbortSignal,
): Promise<Result & { readonly written: WrittenFile }> {
  const result = await moved(item, context, endsOf(way, done), done.bytes, signal);
  const written = { to: way.to, versions: done.versions, revised };
  if (done.kept.length === 0) return { ...result, written };
  const reason = `somebody saved it just before; what they saved is kept as ${done.kept.join(', ')}`;
  return { ...result, status: 'remediation', reason, written };
}

/** Completes a transfer: returns the record and, for a move, removes the file from the source. */
async function moved(
  item: RunItem,
  context: ActContext,
  both: { readonly source: EndpointItem; readonly destination: EndpointItem },
  bytes: number,
  signal: AbortSignal,
): Promise<Result> {
  const record = recorded(item, both.source, both.destination);
  if (context.transfer.transfer_type !== 'move') return { status: 'success', bytes, record };
  try {
    await leaveSource(item, record, context, signal);
  } catch (error) {
    // The transfer itself is done, so it is recorded and the next run continues from there. Not if the deletion got no
    // answer: the file may be gone, and another file may have its name now.
    if (kindOf(error) === 'item' || isFailure(error, 'target-busy')) context.note(record);
    throw error;
  }
  return { status: 'success', bytes, record: null };
}

/**
 * Settles a pair of files that no record describes as equal: by their content, else by the conflict policy of the job.
 */
async function settle(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const { source, destination, transfer } = context;
  const paths = pathsOf(item);
  const { source: a, destination: b } = await lookAt(paths, context, signal);
  if (!a || !b || a.folder || b.folder) throw itemChanged(paths.source);
  if (await isSame(source, a, destination, b, signal))
    return {
      ...(await moved(item, context, { source: a, destination: b }, 0, signal)),
      reason: 'it is the same on both sides',
    };
  const winner = winnerOf(a, b, {
    type: transfer.transfer_type,
    conflicts: transfer.conflict_resolution,
    deletions: transfer.delete_propagation,
  });
  if (winner === 'nobody')
    return { status: 'remediation', reason: new Failure('item-conflict', { path: paths.source }).line, bytes: 0 };
  if (winner === 'destination' && transfer.transfer_type !== 'sync')
    return {
      status: 'skipped',
      reason: 'both sides changed, and the destination counts',
      bytes: 0,
      // Without a record, a file that was not moved stays at the source in later runs as well.
      ...(transfer.transfer_type === 'move' ? {} : { record: recorded(item, a, b) }),
    };
  const way = winner === 'source' ? FORWARD : BACK;
  let there: EndpointItem | undefined = winner === 'source' ? b : a;
  let reason = 'both sides changed';
  if (conflictPolicies[transfer.conflict_resolution].keepsBoth) {
    const kept = await moveBeside(context[way.to], paths[way.to], there.name, context, signal);
    there = undefined;
    reason = `both sides changed; the other content is kept as ${kept}`;
  }
  const done = await transferFile(item, way, there, context, signal);
  const result = await finish(item, context, way, done, true, signal);
  if (result.status === 'remediation') return { ...result, reason: `${reason}; ${result.reason}` };
  return { ...result, status: 'processed', reason };
}

/** Restricts an item to its owner because the one at the other endpoint became private. Its record stays unchanged. */
async function protect(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const way = item.action === 'protect-source' ? BACK : FORWARD;
  await context[way.to].protect(pathsOf(item)[way.to], signal);
  return { ...OK, reason: item.reason };
}

/** Renames an item to a free name for conflict copies. */
async function moveBeside(endpoint: Endpoint, path: string, name: string, context: ActContext, signal: AbortSignal) {
  const folder = parentOf(path);
  for (let at = context.now().getTime(); ; at += 1000) {
    const kept = conflictName(name, new Date(at));
    if (await endpoint.stat(childPath(folder, kept), signal)) continue;
    try {
      await endpoint.move(path, childPath(folder, kept), signal);
      return kept;
    } catch (error) {
      // Somebody has taken the name since the check.
      if (!isFailure(error, 'target-exists')) throw error;
    }
  }
}

async function createFolder(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const paths = pathsOf(item);
  const way = item.action === 'create-folder-source' ? BACK : FORWARD;
  const [from, to] = [context[way.from], context[way.to]];
  // A folder that was removed since the plan is not created again. Where folders exist only through their files, a
  // missing folder proves nothing.
  if (from.rules.emptyFolders && !(await from.stat(paths[way.from], signal))?.folder)
    throw itemChanged(paths[way.from]);
  await ensureFolder(way, paths, context, signal);
  const { source: a, destination: b } = await lookAt(paths, context, signal);
  // Where a folder exists only through its files, it is recorded under its future name.
  const instead = (other: EndpointItem | undefined, name: string): EndpointItem | undefined =>
    other === undefined || to.rules.emptyFolders ? undefined : { ...other, name, mtime: undefined };
  const [source, destination] = [a ?? instead(b, item.name), b ?? instead(a, item.otherName)];
  return source && destination ? { ...OK, record: recorded(item, source, destination) } : OK;
}
