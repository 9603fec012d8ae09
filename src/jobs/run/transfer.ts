import { createHash } from 'node:crypto';
import { Failure, isFailure } from '../../base/errors.js';
import type { SeenContent, WriteOptions } from '../../endpoints/target.js';
import type { Endpoint, EndpointItem, EndpointVersion } from '../endpoint.js';
import { differs, type Fingerprint, fingerprintOf, grainOf } from '../plan/decide.js';
import type { RunItem } from '../store/items.js';
import type { TransferRecord } from '../store/records.js';
import { type ActContext, type Direction, itemChanged, pathsOf, recorded } from './context.js';
import { ensureFolder, parentsOf } from './folders.js';
import { kindOf } from './waiting.js';

export interface Transferred {
  readonly read: EndpointItem;
  readonly written: EndpointItem;
  readonly bytes: number;
  readonly versions: number;
  /** Names of conflict copies beside the file: versions that somebody saved just before the write. */
  readonly kept: readonly string[];
}

export const FORWARD: Direction = { from: 'source', to: 'destination' };
export const BACK: Direction = { from: 'destination', to: 'source' };

/** The item that was read and the one that was written, by endpoint. */
export const endsOf = ({ from }: Direction, { read, written }: Pick<Transferred, 'read' | 'written'>) =>
  from === 'source' ? { source: read, destination: written } : { source: written, destination: read };

export const recordOfTransfer = (
  item: RunItem,
  way: Direction,
  done: Pick<Transferred, 'read' | 'written'>,
): TransferRecord => {
  const { source, destination } = endsOf(way, done);
  return recorded(item, source, destination);
};

/** Finds the result of an earlier attempt whose success was not reported, by comparing the content of both files. */
export async function cameThrough(
  item: RunItem,
  way: Direction,
  context: ActContext,
  signal: AbortSignal,
): Promise<Transferred | undefined> {
  const paths = pathsOf(item);
  const [from, to] = [context[way.from], context[way.to]];
  const [read, written] = await Promise.all([from.stat(paths[way.from], signal), to.stat(paths[way.to], signal)]);
  if (!read || !written || !(await isSame(from, read, to, written, signal))) return undefined;
  // The next write handles late work: it may have covered a version.
  if (await to.isLateWork?.(written, signal)) return undefined;
  return { read, written, bytes: read.size, versions: 1, kept: [] };
}

/** Whether two files have the same content. They are read if no common hash decides; that costs no API call. */
export async function isSame(
  from: Endpoint,
  read: EndpointItem,
  to: Endpoint,
  written: EndpointItem,
  signal: AbortSignal,
): Promise<boolean> {
  if (read.folder || written.folder || read.size !== written.size) return false;
  if (read.hash && read.hash.kind === written.hash?.kind) return read.hash.value === written.hash.value;
  return (await hashOf(from, read, signal)) === (await hashOf(to, written, signal));
}

const hashOf = (endpoint: Endpoint, item: EndpointItem, signal: AbortSignal): Promise<string> =>
  reading(endpoint, item, signal, async () => {
    const hash = createHash('sha256');
    const held = await endpoint.content(item, signal);
    try {
      for await (const chunk of await held.open(0, signal)) hash.update(chunk as Buffer);
    } finally {
      held.close();
    }
    return hash.digest('hex');
  });

const isAsRead = (endpoint: Endpoint, read: EndpointItem, now: EndpointItem | undefined): boolean =>
  now !== undefined &&
  !now.folder &&
  now.unusable === undefined &&
  !differs(now, fingerprintOf(read), grainOf(endpoint.rules));

/**
 * Runs work that reads a file. A file that somebody saves or removes meanwhile may be read in a mixed state, so a
 * failure of the work is then reported as a change of the file.
 * @throws Failure `item-changed` if the work failed and the file is not the one that was to be read
 */
async function reading<T>(
  endpoint: Endpoint,
  read: EndpointItem,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isItself = !isFailure(error) || kindOf(error) !== 'item' || isFailure(error, 'target-changed');
    if (signal.aborted || isItself || isAsRead(endpoint, read, await endpoint.stat(read.path, signal))) throw error;
    throw itemChanged(read.path, error);
  }
}

/**
 * Copies a file to the other endpoint, with its older versions if the job wants them.
 * @param there the file to be replaced, as it was seen; undefined: none
 */
export async function transferFile(
  item: RunItem,
  way: Direction,
  there: EndpointItem | undefined,
  context: ActContext,
  signal: AbortSignal,
): Promise<Transferred> {
  const paths = pathsOf(item);
  const from = context[way.from];
  const read = await from.stat(paths[way.from], signal);
  if (!read || read.folder) throw itemChanged(paths[way.from]);
  await ensureFolder(way, parentsOf(paths), context, signal);
  return reading(from, read, signal, () => sendFile(item, way, read, there, context, signal));
}

async function sendFile(
  item: RunItem,
  way: Direction,
  read: EndpointItem,
  there: EndpointItem | undefined,
  context: ActContext,
  signal: AbortSignal,
): Promise<Transferred> {
  const paths = pathsOf(item);
  const [from, to, fromPath, toPath] = [context[way.from], context[way.to], paths[way.from], paths[way.to]];
  const { transfer } = context;
  let expected: SeenContent | null = there ?? null;
  // A file that is replaced keeps its own permissions, which somebody may have set.
  const isPrivate = read.private === true || (read.ownerOnly === true && !there);
  let earlier = 0;
  const kept: string[] = [];
  const keep = ({ keptBeside }: EndpointItem): void => void (keptBeside !== undefined && kept.push(keptBeside));
  const older = await olderVersions(from, read, context.recordOf(item)?.[way.from], context, signal);
  for (const version of older) {
    const held = await version.content();
    try {
      const written = await to.write(toPath, context.limited(held), {
        size: version.size,
        version: version.id,
        writer: context.job,
        expected,
        ...(isPrivate ? { private: true } : {}),
        signal,
      });
      expected = written;
      keep(written);
      earlier += version.size;
      const sent = { ...read, size: version.size, mtime: version.mtime, version: version.id };
      context.note(recordOfTransfer(item, way, { read: sent, written }));
    } finally {
      held.close();
    }
  }
  const plain = await from.content(read, signal);
  const held = context.limited(plain);
  try {
    const trash = there && !to.hasBin ? context.trash : undefined;
    const options: WriteOptions = {
      size: read.size,
      ...(transfer.timestamps !== false && read.mtime !== undefined ? { mtime: read.mtime } : {}),
      ...(read.hash ? { hash: read.hash } : {}),
      ...(read.version === undefined ? {} : { version: read.version }),
      writer: context.job,
      ...(trash === undefined ? {} : { trash }),
      expected,
      ...(isPrivate ? { private: true } : {}),
      progress: context.progress,
      ...(context.arrived ? { arrived: context.arrived } : {}),
      signal,
    };
    const written = await to.write(toPath, held, options).catch(async (error: unknown) => {
      if (!isFailure(error, 'target-missing')) throw error;
      // The folder has been removed since it was seen.
      context.folders.clear();
      await ensureFolder(way, parentsOf(paths), context, signal);
      return to.write(toPath, held, options);
    });
    keep(written);
    if (written.size !== read.size)
      throw new Failure('target-damaged', { target: to.root, path: toPath, why: 'it has another size' });
    // The source file may have changed during the transfer. The copy then matches no known state of it; its record lets
    // the next run replace it.
    const after = await from.stat(fromPath, signal);
    if (!isAsRead(from, read, after)) {
      context.note(recordOfTransfer(item, way, { read, written }));
      throw itemChanged(fromPath);
    }
    return { read, written, bytes: read.size + earlier, versions: older.length + 1, kept };
  } finally {
    plain.close();
  }
}

/** Older versions to transfer: those since the last transfer without the current one, oldest first. */
async function olderVersions(
  from: Endpoint,
  read: EndpointItem,
  last: Fingerprint | undefined,
  { transfer }: ActContext,
  signal: AbortSignal,
): Promise<readonly EndpointVersion[]> {
  if (transfer.versioning.select !== 'all' || !from.versions || (read.versions ?? 2) < 2) return [];
  const versions = await from.versions(read, signal);
  if (versions.at(-1)?.id !== read.version) throw itemChanged(read.path);
  const older = versions.slice(0, -1);
  if (last?.version === undefined) return older;
  const at = versions.findIndex(({ id }) => id === last.version);
  return at < 0 ? older.filter((version) => isLater(version, last)) : older.slice(at + 1);
}

/**
 * Whether a version is newer than one that the endpoint no longer keeps. Within one second the ids decide, since they
 * grow.
 */
function isLater({ id, mtime }: EndpointVersion, last: Fingerprint): boolean {
  if (last.mtime === undefined || mtime === last.mtime) return Number(id) > Number(last.version);
  return mtime > last.mtime;
}
