import { createHash } from 'node:crypto';
import { Failure, isFailure } from '../../base/errors.js';
import { conflictName } from '../../outbox/conflict-name.js';
import { childPath, parentOf } from '../../targets/paths.js';
import type { HashKind, WriteOptions } from '../../targets/target.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { ItemStatus } from '../definition/words.js';
import { differs, fingerprintOf, grainOf, winnerOf } from '../plan/decide.js';
import type { HeldContent, Side, SideItem, SideVersion } from '../sides/side.js';
import type { RunItem } from '../store/items.js';
import type { TransferRecord } from '../store/records.js';

export interface ActContext {
  readonly transfer: Transfer;
  readonly source: Side;
  readonly destination: Side;
  /** What was known of an item before this run. */
  readonly recordOf: (item: RunItem) => TransferRecord | undefined;
  /** `2026-01-31`: the day's folder in the trash; undefined: what goes is gone. */
  readonly trashDate: string | undefined;
  /** What is true of both sides in the middle of an item, should it go no further. */
  readonly note: (record: TransferRecord) => void;
  readonly now: () => Date;
  readonly progress: (bytes: number) => void;
  /** It was tried before, and failed: all the same it may have come through. */
  readonly again?: boolean;
  /** The bytes of the item have arrived: what is left waits for a disk. */
  readonly arrived?: () => void;
  /** Folders that were seen at the end that is written to. */
  readonly folders: Set<string>;
  /** Bytes pass through it on their way, as the limits of bandwidth say. */
  readonly limited: (content: HeldContent) => HeldContent;
}

export interface Result {
  readonly status: ItemStatus;
  readonly reason?: string | undefined;
  /** Bytes that were transferred. */
  readonly bytes: number;
  /** What is true of both sides from now on; null: nothing any more. */
  readonly record?: TransferRecord | null;
  readonly written?: Written;
}

/** A file that was written at one end. */
export interface Written {
  readonly to: 'source' | 'destination';
  readonly versions: number;
  /** In place of what was there. */
  readonly revised: boolean;
}

/** Some shares tell a time as it was set until they are asked anew, and then without its fraction: seconds. */
const SHARE_GRAIN = 1;

/** Folders that are remembered at most. */
const FOLDERS_KNOWN = 1000;

const OK = { status: 'success', bytes: 0 } as const;

/** Does what the plan says about one item. @throws Failure where it could not be done */
export function act(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  switch (item.action) {
    case 'copy':
      return copy(item, context, 'forward', signal);
    case 'copy-back':
      return copy(item, context, 'back', signal);
    case 'compare':
      return compare(item, context, signal);
    case 'conflict':
      return conflict(item, context, signal);
    case 'create-folder':
    case 'create-folder-source':
      return createFolder(item, context, signal);
    case 'delete':
    case 'delete-source':
      return remove(item, context, signal);
    case 'clear-source':
      return clearSource(item, context, signal);
    default:
      return Promise.resolve({ status: item.status, reason: item.reason, bytes: 0 });
  }
}

const pathsOf = (item: RunItem) => ({
  source: childPath(item.folder, item.name),
  destination: childPath(item.otherFolder, item.otherName),
});

async function copy(item: RunItem, context: ActContext, way: 'forward' | 'back', signal: AbortSignal): Promise<Result> {
  const paths = pathsOf(item);
  const isBack = way === 'back';
  const [from, to] = isBack ? [context.destination, context.source] : [context.source, context.destination];
  const [fromPath, toPath] = isBack ? [paths.destination, paths.source] : [paths.source, paths.destination];
  const both = (done: Transferred) =>
    isBack ? { source: done.written, destination: done.read } : { source: done.read, destination: done.written };
  const written = ({ versions }: Transferred, revised: boolean): Written => ({
    to: isBack ? 'source' : 'destination',
    versions,
    revised,
  });
  const through = context.again ? await cameThrough(from, to, fromPath, toPath, context, signal) : undefined;
  if (through)
    return { ...(await moved(item, context, both(through), through.bytes, signal)), written: written(through, false) };
  const record = context.recordOf(item);
  const before = isBack ? record?.source : record?.destination;
  // Where nothing was, the write itself sees that nothing is.
  const mayBe = before !== undefined || context.transfer.transfer_type === 'publish';
  const there = mayBe ? await to.stat(toPath, signal) : undefined;
  // Somebody changed the receiving side since the plan: that is not overwritten.
  const isForeign = there !== undefined && (before === undefined || differs(there, before, grainOf(to.rules)));
  if (isForeign && context.transfer.transfer_type !== 'publish') throw new Failure('item-changed', { path: toPath });
  const done = await transferFile(item, from, to, fromPath, toPath, there, context, signal).catch(async (error) => {
    // A share that was away may have told what it remembered, above.
    const late = context.again && isFailure(error, 'target-changed');
    const found = late ? await cameThrough(from, to, fromPath, toPath, context, signal) : undefined;
    if (!found) throw error;
    return found;
  });
  const result = await moved(item, context, both(done), done.bytes, signal);
  return { ...result, written: written(done, there !== undefined) };
}

/** After a copy: what is recorded, and that a moved file leaves the source. */
async function moved(
  item: RunItem,
  context: ActContext,
  both: { readonly source: SideItem; readonly destination: SideItem },
  bytes: number,
  signal: AbortSignal,
): Promise<Result> {
  const done = { status: 'success', bytes, record: recorded(item, both.source, both.destination) } as const;
  if (context.transfer.transfer_type !== 'move') return done;
  await discard(context.source, pathsOf(item).source, context, signal);
  return { ...done, record: null };
}

interface Transferred {
  readonly read: SideItem;
  readonly written: SideItem;
  readonly bytes: number;
  readonly versions: number;
}

/** What an attempt before this one brought there, whose success was never heard of: of the source's size and time. */
async function cameThrough(
  from: Side,
  to: Side,
  fromPath: string,
  toPath: string,
  { transfer }: ActContext,
  signal: AbortSignal,
): Promise<Transferred | undefined> {
  if (!transfer.timestamps || !to.rules.setsTimes) return undefined;
  const [read, written] = await Promise.all([from.stat(fromPath, signal), to.stat(toPath, signal)]);
  if (read?.mtime === undefined || written?.mtime === undefined || written.folder) return undefined;
  const grain = Math.max(grainOf(to.rules), SHARE_GRAIN);
  const isSame = read.size === written.size && Math.abs(read.mtime - written.mtime) <= grain;
  return isSame ? { read, written, bytes: read.size, versions: 1 } : undefined;
}

async function transferFile(
  item: RunItem,
  from: Side,
  to: Side,
  fromPath: string,
  toPath: string,
  there: SideItem | undefined,
  context: ActContext,
  signal: AbortSignal,
): Promise<Transferred> {
  const read = await from.stat(fromPath, signal);
  if (!read || read.folder) throw new Failure('item-changed', { path: fromPath });
  const { transfer } = context;
  await ensureFolder(to, toPath, context, signal);
  let expected: WriteOptions['expected'] = there ? { size: there.size, mtime: there.mtime } : null;
  let earlier = 0;
  const older = await olderVersions(item, from, read, context, signal);
  for (const version of older) {
    const held = version.content();
    try {
      const written = await to.write(toPath, context.limited(held), { size: version.size, expected, signal });
      expected = { size: written.size, mtime: written.mtime };
      earlier += version.size;
      const sent = { ...read, size: version.size, mtime: version.mtime, version: version.id };
      context.note(from === context.source ? recorded(item, sent, written) : recorded(item, written, sent));
    } finally {
      held.close();
    }
  }
  const plain = await from.content(read, signal);
  const held = context.limited(plain);
  try {
    const version = read.version ?? (read.mtime === undefined ? undefined : String(read.mtime));
    const trash = there && !to.hasBin ? context.trashDate : undefined;
    const options: WriteOptions = {
      size: read.size,
      ...(transfer.timestamps !== false && read.mtime !== undefined ? { mtime: read.mtime } : {}),
      ...(read.hash ? { hash: read.hash } : {}),
      ...(version === undefined ? {} : { version }),
      ...(trash === undefined ? {} : { trash }),
      expected,
      progress: context.progress,
      ...(context.arrived ? { arrived: context.arrived } : {}),
      signal,
    };
    const written = await to.write(toPath, held, options).catch(async (error: unknown) => {
      if (!isFailure(error, 'target-missing')) throw error;
      // Its folder has gone since it was seen.
      context.folders.clear();
      await ensureFolder(to, toPath, context, signal);
      return to.write(toPath, held, options);
    });
    if (written.size !== read.size)
      throw new Failure('target-damaged', { target: to.root, path: toPath, why: 'it has another size' });
    // What was read may have been replaced meanwhile: then the copy is of no known state.
    const after = await from.stat(fromPath, signal);
    if (!after || differs(after, fingerprintOf(read), grainOf(from.rules)))
      throw new Failure('item-changed', { path: fromPath });
    return { read, written, bytes: read.size + earlier, versions: older.length + 1 };
  } finally {
    plain.close();
  }
}

/** Versions before the current one that are to go as well: those since the last transfer, the oldest first. */
async function olderVersions(
  item: RunItem,
  from: Side,
  read: SideItem,
  { transfer, recordOf, source }: ActContext,
  signal: AbortSignal,
): Promise<readonly SideVersion[]> {
  if (transfer.versioning.select !== 'all' || !from.versions || (read.versions ?? 2) < 2) return [];
  const versions = await from.versions(read, signal);
  if (versions.at(-1)?.id !== read.version) throw new Failure('item-changed', { path: read.path });
  const record = recordOf(item);
  const last = (from === source ? record?.source : record?.destination)?.version;
  return versions.slice(versions.findIndex(({ id }) => id === last) + 1, -1);
}

/** The bytes tell whether two files are one. Reading costs no API call. */
async function compare(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const { source, destination } = context;
  const paths = pathsOf(item);
  const [a, b] = await Promise.all([source.stat(paths.source, signal), destination.stat(paths.destination, signal)]);
  if (!a || !b) throw new Failure('item-changed', { path: paths.source });
  if (a.size === b.size && (await hashOf(source, a, signal)) === (await hashOf(destination, b, signal)))
    return {
      ...(await moved(item, context, { source: a, destination: b }, 0, signal)),
      reason: 'it is the same on both sides',
    };
  return conflict(item, context, signal);
}

async function hashOf(side: Side, item: SideItem, signal: AbortSignal): Promise<string> {
  const kind: HashKind = 'sha256';
  const hash = createHash(kind);
  const held = await side.content(item, signal);
  try {
    for await (const chunk of await held.open(0, signal)) hash.update(chunk as Buffer);
  } finally {
    held.close();
  }
  return hash.digest('hex');
}

async function conflict(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const { source, destination, transfer } = context;
  const paths = pathsOf(item);
  const [a, b] = await Promise.all([source.stat(paths.source, signal), destination.stat(paths.destination, signal)]);
  if (!a || !b) throw new Failure('item-changed', { path: paths.source });
  const isTwoWay = transfer.transfer_type === 'sync';
  const winner = winnerOf(a, b, {
    type: transfer.transfer_type,
    conflicts: transfer.conflict_resolution,
    deletions: transfer.delete_propagation,
  });
  if (winner === 'nobody')
    return { status: 'remediation', reason: new Failure('item-conflict', { path: paths.source }).line, bytes: 0 };
  if (winner === 'destination' && !isTwoWay)
    return {
      status: 'skipped',
      reason: 'both sides changed, and the destination counts',
      bytes: 0,
      // What was not moved stays at the source, also in later runs.
      ...(transfer.transfer_type === 'move' ? {} : { record: recorded(item, a, b) }),
    };
  const [from, to, fromPath, toPath, loser] =
    winner === 'source'
      ? ([source, destination, paths.source, paths.destination, b] as const)
      : ([destination, source, paths.destination, paths.source, a] as const);
  let there: SideItem | undefined = loser;
  let reason = 'both sides changed';
  if (transfer.conflict_resolution === 'copy') {
    const kept = await moveAside(to, toPath, loser.name, context, signal);
    there = undefined;
    reason = `both sides changed; the other content is kept as ${kept}`;
  }
  const done = await transferFile(item, from, to, fromPath, toPath, there, context, signal);
  const both =
    winner === 'source'
      ? { source: done.read, destination: done.written }
      : { source: done.written, destination: done.read };
  const result = await moved(item, context, both, done.bytes, signal);
  const end = winner === 'source' ? 'destination' : 'source';
  return { ...result, status: 'processed', reason, written: { to: end, versions: done.versions, revised: true } };
}

/** Gives what has a name the name of a conflict that is free. */
async function moveAside(side: Side, path: string, name: string, context: ActContext, signal: AbortSignal) {
  const folder = parentOf(path);
  for (let at = context.now().getTime(); ; at += 1000) {
    const kept = conflictName(name, new Date(at));
    if (await side.stat(childPath(folder, kept), signal)) continue;
    await side.move(path, childPath(folder, kept), signal);
    return kept;
  }
}

async function createFolder(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const paths = pathsOf(item);
  const isBack = item.action === 'create-folder-source';
  const to = isBack ? context.source : context.destination;
  await to.mkdir(isBack ? paths.source : paths.destination, signal);
  const [a, b] = await Promise.all([
    context.source.stat(paths.source, signal),
    context.destination.stat(paths.destination, signal),
  ]);
  // Where a folder is there with its first file only, it has its name from now on.
  const instead = (other: SideItem | undefined, name: string): SideItem | undefined =>
    other === undefined || to.rules.emptyFolders ? undefined : { ...other, name, mtime: undefined };
  const [source, destination] = [a ?? instead(b, item.name), b ?? instead(a, item.otherName)];
  return source && destination ? { ...OK, record: recorded(item, source, destination) } : OK;
}

async function remove(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const paths = pathsOf(item);
  const isBack = item.action === 'delete-source';
  const side = isBack ? context.source : context.destination;
  const path = isBack ? paths.source : paths.destination;
  const there = await side.stat(path, signal);
  // Publishing deletes whatever is there; all else only what it knows.
  if (there && !there.folder && context.transfer.transfer_type !== 'publish') {
    const record = context.recordOf(item);
    const before = isBack ? record?.source : record?.destination;
    if (before && differs(there, before, grainOf(side.rules))) throw new Failure('item-changed', { path });
  }
  if (there) await discard(side, path, context, signal, there.folder);
  return { ...OK, record: null };
}

/** What was transferred leaves the source; of a folder only what is empty by now. */
async function clearSource(item: RunItem, context: ActContext, signal: AbortSignal): Promise<Result> {
  const { source } = pathsOf(item);
  if (!item.isFolder) {
    const [a, b] = await Promise.all([
      context.source.stat(source, signal),
      context.destination.stat(pathsOf(item).destination, signal),
    ]);
    if (!b) throw new Failure('item-changed', { path: source });
    if (a) await discard(context.source, source, context, signal);
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

/** Away with it: into the bin of the platform, else into the trash folder. */
async function discard(
  side: Side,
  path: string,
  context: ActContext,
  signal: AbortSignal,
  isFolder = false,
): Promise<void> {
  if (side.hasBin || context.trashDate !== undefined) {
    await side.trash(path, context.trashDate ?? '', signal);
    return;
  }
  if (!isFolder) return side.remove(path, signal);
  for await (const child of side.list(path, signal)) await discard(side, child.path, context, signal, child.folder);
  await side.removeFolder(path, signal);
}

async function ensureFolder(
  side: Side,
  path: string,
  { folders, source }: ActContext,
  signal: AbortSignal,
): Promise<void> {
  const folder = parentOf(path);
  if (folder === '') return;
  const key = side === source ? `/${folder}` : folder;
  if (folders.has(key)) return;
  if ((await side.stat(folder, signal)) === undefined) await side.mkdir(folder, signal);
  if (folders.size >= FOLDERS_KNOWN) folders.clear();
  folders.add(key);
}

const recorded = (item: RunItem, source: SideItem, destination: SideItem): TransferRecord => ({
  folder: item.folder,
  name: item.name,
  isFolder: item.isFolder,
  otherName: destination.name,
  renamed: item.renamed,
  source: fingerprintOf(source),
  destination: fingerprintOf(destination),
});
