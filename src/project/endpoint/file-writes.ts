import { hostname } from 'node:os';
import { type Failure, isFailure } from '../../base/errors.js';
import type { RemoteId, VersionId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import { childPath, isAsExpected, parentOf } from '../../endpoints/paths.js';
import type { Content, WriteOptions } from '../../endpoints/target.js';
import type { Covered, EndpointItem } from '../../jobs/endpoint.js';
import { kindOf } from '../../jobs/run/waiting.js';
import { HIDDEN } from '../../mirror/database/flags.js';
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

/** After an upload that took longer than this the file is looked at again before it gets a version, milliseconds. */
const LOOK_AGAIN_MS = 10_000;

/** A file as the server has it, and which of its versions is what was sent; undefined: the reply does not tell. */
interface Made extends WrittenItem {
  readonly ours: RemoteVersion | undefined;
}

/** Where something is kept beside a file. */
interface Beside {
  readonly folder: Item;
  readonly name: string;
  readonly path: string;
}

/** Versions below which what a call made was looked for already: as long as nobody saves another one, it is not there. */
const lookedBelow = new WeakMap<LateCall, VersionId>();

/** Where a version goes. */
interface Spot {
  readonly path: string;
  readonly name: string;
  readonly known: Item;
}

/** Files and versions that a job makes in a project, without covering what it has not seen. */
export class FileWrites {
  readonly #access: ProjectAccess;
  readonly #options: ProcoreEndpointOptions;
  readonly #tree: ProjectTree;
  readonly #changes: ProjectChanges;

  constructor(access: ProjectAccess, options: ProcoreEndpointOptions, tree: ProjectTree, changes: ProjectChanges) {
    this.#access = access;
    this.#options = options;
    this.#tree = tree;
    this.#changes = changes;
  }

  /**
   * New file: 2 calls, new version: 3; 1 more where the content goes in segments. A version that somebody saves between
   * the last look and ours is kept beside it: 4 calls more, only then.
   */
  async write(path: string, content: Content, options: WriteOptions): Promise<EndpointItem> {
    const { parent, name, known } = await this.#tree.place(path, options.signal);
    const { timeGrain } = procoreRules(this.#access.mirror.view.ignoresCase);
    const isExpected = isAsExpected(known && this.#tree.item(known, path), options.expected, timeGrain);
    if ((known && !known.isFile) || !isExpected) throw this.#changes.changed(path);
    const remoteName = linuxNames.decode(name);
    if (known) return this.#addVersion({ path, name: remoteName, known }, content, options);
    return this.#taken(await this.#make(parent.remoteId, remoteName, content, options, path), path);
  }

  /** Whether a file has the content that a call of this job made, of which the job does not know yet. */
  async isLateWork({ path, version }: EndpointItem, signal: AbortSignal): Promise<boolean> {
    const { client, project, late } = this.#access;
    const known = await this.#tree.find(path, signal);
    if (!known?.isFile || String(known.versionId) !== version) return false;
    if (late.versions(known.remoteId, this.#options.job).length === 0) return false;
    const call = this.#changes.call(signal);
    try {
      const { item } = await client.fileNow(project, known.remoteId, call);
      return item.version?.id === known.versionId && (await this.#lateWork(item, call)) !== undefined;
    } catch (error) {
      if (isFailure(error, 'gone')) return false;
      throw error;
    }
  }

  /**
   * 2 calls, and 3 for each version that is kept, for a file below whose version a call of this job may be that was not
   * looked for there yet. While that one is the current version, the next write goes on from it.
   */
  async keepCovered(signal: AbortSignal): Promise<readonly Covered[]> {
    const { late, mirror } = this.#access;
    const found: Covered[] = [];
    for (const id of new Set(late.ofJob(this.#options.job).map(({ remoteId }) => remoteId))) {
      const file = mirror.view.byRemoteId(id);
      const folder = file && mirror.view.parent(file);
      if (!file?.isFile || !folder || (file.flags & HIDDEN) !== 0) continue;
      const isOpen = (one: LateCall): boolean =>
        file.versionNumber > one.baseNumber + 1 && lookedBelow.get(one) !== file.versionId;
      if (!late.versions(id, this.#options.job).some(isOpen)) continue;
      const path = mirror.view.path(file) ?? file.name;
      try {
        for (const kept of await this.#keepCoveredOf(id, { folder, name: file.name, path }, signal))
          found.push({ path, kept });
        for (const one of late.versions(id, this.#options.job)) lookedBelow.set(one, file.versionId);
      } catch (error) {
        if (signal.aborted || kindOf(error) !== 'item') throw error;
        found.push({ path, kept: { error } });
      }
    }
    return found;
  }

  async #keepCoveredOf(id: RemoteId, beside: Beside, signal: AbortSignal): Promise<string[]> {
    const { client, late, ownWork, project } = this.#access;
    const call = this.#changes.call(signal);
    const { item } = await client.fileNow(project, id, call);
    const calls = late.versions(id, this.#options.job);
    const below: { readonly one: LateCall; readonly number: number }[] = [];
    for (const one of calls) {
      const ours = await ownWork.versionAfter(item, one.baseNumber, one.digests, call);
      if (ours && ours.id !== item.version?.id) below.push({ one, number: ours.number });
    }
    const sent = calls.map(({ digests }) => digests);
    const kept: string[] = [];
    let last = 0;
    for (const { one, number } of below.sort((a, b) => a.number - b.number)) {
      const version = { file: item, number, base: Math.max(one.baseNumber, last), sent };
      const unseen = await overtaken(version, this.#access, call);
      if (unseen) kept.push(await this.#keepBeside(unseen, item, beside, signal));
      last = number;
    }
    for (const { one } of below) late.forget(one);
    // What is still to come has covered none of that.
    late.passed(
      late.versions(id, this.#options.job).filter(({ baseNumber }) => baseNumber < last),
      last,
    );
    return kept;
  }

  /** @param mayBeThere an earlier attempt may have made it already, of which nothing was heard */
  async #make(
    parentId: RemoteId,
    name: string,
    content: Content,
    options: WriteOptions,
    path: string,
    mayBeThere = false,
  ): Promise<Made> {
    const { client, writes, project, ownWork } = this.#access;
    const call = this.#changes.call(options.signal);
    const { uploadUuid, digests } = await this.#changes.upload(path, name, content, options);
    return this.#changes.once<Made>(
      async () => {
        const made = await writes.createFile(project, { parentId, name, uploadUuid }, call);
        return { ...made, ours: made.item.version };
      },
      async () => {
        const { children, serverTime } = await client.folder(project, parentId, call);
        const item = children.find((child) => child.type === 'file' && child.name === name);
        const ours = item && (await ownWork.made(item, digests, call));
        return ours && { item, serverTime, ours };
      },
      { job: this.#options.job, remoteId: NO_REMOTE, parentId, name, baseNumber: 0, digests },
      path,
      mayBeThere,
    );
  }

  async #addVersion(spot: Spot, content: Content, options: WriteOptions): Promise<EndpointItem> {
    const { client, project, clock } = this.#access;
    const { path, name, known } = spot;
    const call = this.#changes.call(options.signal);
    let current = await client.fileNow(project, known.remoteId, call);
    const late = await this.#lateWork(current.item, call);
    if (current.item.deleted || (current.item.version?.id !== known.versionId && !late))
      throw await this.#other(current, path);
    const began = clock.monotonic();
    const { uploadUuid, digests } = await this.#changes.upload(path, name, content, options);
    // What the job had seen when it sent that.
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
    const { client, writes, project, ownWork } = this.#access;
    const { id, parentId } = item;
    const before = item.version?.number ?? 0;
    const notes = `Copied by the job "${this.#options.jobName}" on ${hostname()}`;
    return this.#changes.once<Made>(
      async () => {
        const { version, serverTime } = await writes.createVersion(project, id, { uploadUuid, notes }, call);
        const updatedAt = Math.max(item.updatedAt, serverTime);
        return { item: { ...item, version, updatedAt }, serverTime, ours: version };
      },
      async () => {
        const now = await client.fileNow(project, id, call);
        const ours = await ownWork.versionAfter(now.item, before, digests, call);
        return ours && { ...now, ours };
      },
      { job: this.#options.job, remoteId: id, parentId: parentId ?? NO_REMOTE, name, baseNumber: base, digests },
      path,
    );
  }

  /** What our version covers unseen is kept before the version counts as made: the next run tries it again. */
  async #published(
    made: Made,
    base: number,
    sent: readonly Digests[],
    path: string,
    { signal }: WriteOptions,
  ): Promise<EndpointItem> {
    const { item, ours } = made;
    const version = { file: item, number: ours?.number ?? 0, base, sent };
    const unseen = await overtaken(version, this.#access, this.#changes.call(signal));
    const keptBeside = unseen && (await this.#keepBesidePath(unseen, item, path, signal));
    const written = await this.#taken(made, path);
    return keptBeside === undefined ? written : { ...written, keptBeside };
  }

  async #keepBesidePath(version: RemoteVersion, file: RemoteItem, path: string, signal: AbortSignal): Promise<string> {
    const { parent, name } = await this.#tree.place(path, signal);
    return this.#keepBeside(version, file, { folder: parent, name, path }, signal);
  }

  /** The name tells the version: whoever tries it again finds what an earlier attempt has kept. @returns its name here */
  async #keepBeside(
    version: RemoteVersion,
    file: RemoteItem,
    { folder, name, path }: Beside,
    signal: AbortSignal,
  ): Promise<string> {
    const { id, size, createdAt } = version;
    const held = await cachedContent(this.#access.content, { id, remoteId: file.id, size, label: file.name });
    try {
      for (let at = createdAt * 1000; ; at += 1000) {
        const kept = conflictName(name, new Date(at));
        const place = childPath(parentOf(path), kept);
        try {
          const made = await this.#make(folder.remoteId, linuxNames.decode(kept), held, { size, signal }, place, true);
          await this.#taken(made, place);
          return kept;
        } catch (error) {
          // Something else has the name.
          if (!isFailure(error, 'target-changed')) throw error;
        }
      }
    } finally {
      held.close();
    }
  }

  /** The call of this job that made the current version of a file, of which the job does not know yet. */
  async #lateWork(item: RemoteItem, call: CallOptions): Promise<LateCall | undefined> {
    const { late, ownWork } = this.#access;
    const { version } = item;
    for (const one of late.versions(item.id, this.#options.job)) {
      const isAfter = version !== undefined && version.number > one.baseNumber;
      if (isAfter && (await ownWork.isOurs(item, version, one.digests, call))) return one;
    }
    return undefined;
  }

  /** Somebody else has changed the file. */
  async #other({ item, serverTime }: WrittenItem, path: string): Promise<Failure> {
    await this.#access.mirror.store.ingestOwn(item, serverTime);
    return this.#changes.changed(path);
  }

  /** With the version that was written, also where somebody has saved another over it: that one is a change. */
  async #taken(made: Made, path: string): Promise<EndpointItem> {
    const { late } = this.#access;
    const { item, ours } = made;
    const taken = await this.#changes.taken(made, path);
    for (const one of late.versions(item.id, this.#options.job)) late.forget(one);
    if (!ours || item.version?.id === ours.id) return taken;
    const { id, number, size, createdAt } = ours;
    return { ...taken, version: String(id), versions: number, size, mtime: createdAt };
  }
}
