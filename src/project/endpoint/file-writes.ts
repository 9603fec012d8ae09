import { hostname } from 'node:os';
import { type Failure, isFailure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import { childPath, isAsExpected, parentOf } from '../../endpoints/paths.js';
import type { Content, WriteOptions } from '../../endpoints/target.js';
import type { EndpointItem } from '../../jobs/endpoint.js';
import type { Item } from '../../mirror/database/view.js';
import { linuxNames } from '../../names/linux.js';
import { NO_REMOTE } from '../../outbox/intents/intent.js';
import type { LateCall } from '../../outbox/intents/late-calls.js';
import { conflictName } from '../../outbox/upload/conflict-name.js';
import type { RemoteItem, RemoteVersion } from '../../procore/items.js';
import { overtaken } from '../../procore/overtaken.js';
import { type Digests, isSameContent } from '../../procore/own-versions.js';
import type { WrittenItem } from '../../procore/writes.js';
import { cachedContent } from './procore-content.js';
import { procoreRules } from './procore-rules.js';
import type { ProjectChanges } from './project-changes.js';
import type { ProcoreEndpointOptions, ProjectAccess, ProjectTree } from './project-tree.js';

/** Duration of an upload, milliseconds, above which the file is checked again before it gets the version. */
const LOOK_AGAIN_MS = 10_000;

/** A file as the server has it, and the version of it that this job sent; `ours` undefined: the reply does not tell. */
interface Made extends WrittenItem {
  readonly ours: RemoteVersion | undefined;
}

/** The file that gets a version. */
interface Spot {
  readonly path: string;
  readonly name: string;
  readonly known: Item;
}

/**
 * Creates files and versions in a project for a job. If a version of the job covers one that the job has not seen, a
 * copy of that one is kept beside the file.
 */
export class FileWrites {
  constructor(
    private readonly access: ProjectAccess,
    private readonly options: ProcoreEndpointOptions,
    private readonly tree: ProjectTree,
    private readonly changes: ProjectChanges,
  ) {}

  /**
   * A new file takes 2 calls and a new version 3, plus 1 if the content is sent in segments. If somebody saves a
   * version between the last look and our own version, a copy of theirs is kept beside the file: 4 more calls, only in
   * that case.
   */
  async write(path: string, content: Content, options: WriteOptions): Promise<EndpointItem> {
    const { parent, name, known } = await this.tree.place(path, options.signal);
    const { timeGrain } = procoreRules(this.access.mirror.view.ignoresCase);
    const isExpected = isAsExpected(known && this.tree.item(known, path), options.expected, timeGrain);
    if ((known && !known.isFile) || !isExpected) throw this.changes.changed(path);
    const remoteName = linuxNames.decode(name);
    if (known) return this.#addVersion({ path, name: remoteName, known }, content, options);
    return this.#taken(await this.#make(parent.remoteId, remoteName, content, options, path), path);
  }

  /**
   * Whether the current version of a file was made by a late call of this job: one whose outcome the job does not know.
   */
  async isLateWork({ path, version }: EndpointItem, signal: AbortSignal): Promise<boolean> {
    const { client, project, late } = this.access;
    const known = await this.tree.find(path, signal);
    if (!known?.isFile || String(known.versionId) !== version) return false;
    if (late.versions(known.remoteId, this.options.job).length === 0) return false;
    const call = this.changes.call(signal);
    try {
      const { item } = await client.fileNow(project, known.remoteId, call);
      return item.version?.id === known.versionId && (await this.#lateWork(item, call)) !== undefined;
    } catch (error) {
      if (isFailure(error, 'gone')) return false;
      throw error;
    }
  }

  /** @param mayBeThere an earlier attempt without a known outcome may have created the file already */
  async #make(
    parentId: RemoteId,
    name: string,
    content: Content,
    options: WriteOptions,
    path: string,
    mayBeThere = false,
  ): Promise<Made> {
    const { client, writes, project, ownWork } = this.access;
    const call = this.changes.call(options.signal);
    const { uploadUuid, digests } = await this.changes.upload(path, name, content, options);
    return this.changes.once<Made>(
      {
        make: async () => {
          const made = await writes.createFile(project, { parentId, name, uploadUuid }, call);
          return { ...made, ours: made.item.version };
        },
        look: async () => {
          const { children, serverTime } = await client.folder(project, parentId, call);
          const item = children.find((child) => child.type === 'file' && child.name === name);
          const ours = item && (await ownWork.made(item, digests, call));
          return ours && { item, serverTime, ours };
        },
        sent: { job: this.options.job, remoteId: NO_REMOTE, parentId, name, baseNumber: 0, digests },
        wasTried: mayBeThere,
      },
      path,
    );
  }

  async #addVersion(spot: Spot, content: Content, options: WriteOptions): Promise<EndpointItem> {
    const { client, project, clock } = this.access;
    const { path, name, known } = spot;
    const call = this.changes.call(options.signal);
    let current = await client.fileNow(project, known.remoteId, call);
    const late = await this.#lateWork(current.item, call);
    if (current.item.deleted || (current.item.version?.id !== known.versionId && !late))
      throw await this.#other(current, path);
    const began = clock.monotonic();
    const { uploadUuid, digests } = await this.changes.upload(path, name, content, options);
    // The version that the job had seen when it sent the content.
    const base = late ? late.baseNumber : (current.item.version?.number ?? 0);
    if (late && isSameContent(late.digests, digests))
      return this.#published({ ...current, ours: current.item.version }, base, [digests], path, options);
    if (clock.monotonic() - began > LOOK_AGAIN_MS) {
      const seen = current.item.version?.id;
      current = await client.fileNow(project, known.remoteId, call);
      if (current.item.deleted || current.item.version?.id !== seen) throw await this.#other(current, path);
    }
    const made = await this.#createVersion(current.item, uploadUuid, { base, digests }, name, path, call);
    return this.#published(made, base, late ? [late.digests, digests] : [digests], path, options);
  }

  #createVersion(
    item: RemoteItem,
    uploadUuid: string,
    { base, digests }: { readonly base: number; readonly digests: Digests },
    name: string,
    path: string,
    call: CallOptions,
  ): Promise<Made> {
    const { client, writes, project, ownWork } = this.access;
    const { id, parentId } = item;
    const before = item.version?.number ?? 0;
    const notes = `Copied by the job "${this.options.jobName}" on ${hostname()}`;
    return this.changes.once<Made>(
      {
        make: async () => {
          const { version, serverTime } = await writes.createVersion(project, id, { uploadUuid, notes }, call);
          const updatedAt = Math.max(item.updatedAt, serverTime);
          return { item: { ...item, version, updatedAt }, serverTime, ours: version };
        },
        look: async () => {
          const now = await client.fileNow(project, id, call);
          const ours = await ownWork.versionAfter(now.item, before, digests, call);
          return ours && { ...now, ours };
        },
        sent: { job: this.options.job, remoteId: id, parentId: parentId ?? NO_REMOTE, name, baseNumber: base, digests },
      },
      path,
    );
  }

  /**
   * Keeps a copy of the version that ours covers unseen before ours counts as made: if that fails, the next run repeats
   * it.
   */
  async #published(
    made: Made,
    base: number,
    sent: readonly Digests[],
    path: string,
    { signal }: WriteOptions,
  ): Promise<EndpointItem> {
    const { item, ours } = made;
    const version = { file: item, number: ours?.number ?? 0, base, sent };
    const unseen = await overtaken(version, this.access, this.changes.call(signal));
    const keptBeside = unseen && (await this.#keepBeside(unseen, item, path, signal));
    const written = await this.#taken(made, path);
    return keptBeside === undefined ? written : { ...written, keptBeside };
  }

  /**
   * The name of the copy depends on the version only, so a retry finds the copy of an earlier attempt.
   * @returns the name of the copy here
   */
  async #keepBeside(version: RemoteVersion, file: RemoteItem, path: string, signal: AbortSignal): Promise<string> {
    const { id, size, createdAt } = version;
    const { parent, name } = await this.tree.place(path, signal);
    const held = await cachedContent(this.access.content, { id, remoteId: file.id, size, label: file.name });
    try {
      for (let at = createdAt * 1000; ; at += 1000) {
        const kept = conflictName(name, new Date(at));
        const place = childPath(parentOf(path), kept);
        try {
          const made = await this.#make(parent.remoteId, linuxNames.decode(kept), held, { size, signal }, place, true);
          await this.#taken(made, place);
          return kept;
        } catch (error) {
          // Another file has the name: try the next second.
          if (!isFailure(error, 'target-changed')) throw error;
        }
      }
    } finally {
      held.close();
    }
  }

  /** The late call of this job that made the current version of a file. */
  async #lateWork(item: RemoteItem, call: CallOptions): Promise<LateCall | undefined> {
    const { late, ownWork } = this.access;
    const { version } = item;
    for (const one of late.versions(item.id, this.options.job)) {
      const isAfter = version !== undefined && version.number > one.baseNumber;
      if (isAfter && (await ownWork.isOurs(item, version, one.digests, call))) return one;
    }
    return undefined;
  }

  /** The failure for a file that somebody else changed. The mirror takes in its new state. */
  async #other({ item, serverTime }: WrittenItem, path: string): Promise<Failure> {
    await this.access.mirror.store.ingestOwn(item, serverTime);
    return this.changes.changed(path);
  }

  /**
   * The item with the version that this job wrote, even if somebody has saved another over it: the next run sees that
   * one as a change.
   */
  async #taken(made: Made, path: string): Promise<EndpointItem> {
    const { late } = this.access;
    const { item, ours } = made;
    // Before the mirror tells of it: it is no late effect.
    for (const one of late.versions(item.id, this.options.job)) late.forget(one);
    const taken = await this.changes.taken(made, path);
    if (!ours || item.version?.id === ours.id) return taken;
    const { id, number, size, createdAt } = ours;
    return { ...taken, version: String(id), versions: number, size, mtime: createdAt };
  }
}
