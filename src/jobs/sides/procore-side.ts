import { hostname } from 'node:os';
import type { Readable } from 'node:stream';
import { SingleFlight } from '../../base/abort.js';
import { Failure, isFailure } from '../../base/errors.js';
import { type RemoteId, ROOT_INODE, type VersionId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import { READ_ONLY } from '../../mirror/flags.js';
import { pollsPerHour } from '../../mirror/rhythm.js';
import type { Item } from '../../mirror/view.js';
import { linuxNames } from '../../names/linux.js';
import { NO_REMOTE } from '../../outbox/intent.js';
import type { LateCall } from '../../outbox/late.js';
import { isSameContent } from '../../procore/own-work.js';
import { SEGMENTED_ABOVE } from '../../procore/uploads.js';
import type { Written, WrittenItem } from '../../procore/writes.js';
import { childPath, isAsExpected, parentOf } from '../../targets/paths.js';
import type { Content, DiscardOptions, TargetRules, TargetTest, WriteOptions } from '../../targets/target.js';
import { JobUploads } from './job-uploads.js';
import { once } from './once.js';
import { cachedContent } from './procore-content.js';
import { procoreRules } from './procore-rules.js';
import { ProjectAbsence } from './project-absence.js';
import { type ProcoreSideOptions, type ProjectAccess, ProjectTree } from './project-tree.js';
import type { Absence, Change, HeldContent, Missed, Side, SideItem, SideVersion } from './side.js';

const CRAWL_LOOK = 100;
/** Polls follow each other with a pause: one that is a little late is no sign of trouble. */
const INTERVALS = 2;
/** After an upload that took longer than this the file is looked at again before it gets a version, milliseconds. */
const LOOK_AGAIN = 10_000;

/** A Procore project as one end of a transfer: listed from the mirror, read through the cache, written by calls. */
export class ProcoreSide implements Side {
  readonly keepsVersions = true;
  readonly hasBin = true;
  readonly root: string;
  readonly #access: ProjectAccess;
  readonly #o: ProcoreSideOptions;
  readonly #callsBefore: number;
  /** When the run first took something away. */
  #discardsSince: number | undefined;
  readonly #tree: ProjectTree;
  readonly #uploads: JobUploads;
  readonly #absence: ProjectAbsence;
  readonly #making = new SingleFlight<string, void>();

  constructor(access: ProjectAccess, options: ProcoreSideOptions) {
    this.#access = access;
    this.#o = options;
    this.root = `${access.name}:/${options.path}`;
    this.#tree = new ProjectTree(access, options, this.root);
    this.#uploads = new JobUploads(access.uploads, access.project, options.uploads);
    this.#absence = new ProjectAbsence(access.mirror, (signal) => this.#call(signal));
    this.#callsBefore = access.budget.callsOf(options.job);
  }

  /** Where the project's names ignore case, so do those that a job gives. */
  get rules(): TargetRules {
    return procoreRules(this.#access.mirror.view.ignoresCase);
  }

  get calls(): number {
    return this.#access.budget.callsOf(this.#o.job) - this.#callsBefore;
  }

  get counter(): object {
    return this.#access.budget;
  }

  get callsPerHour(): number {
    return this.#access.budget.status().hour.limit;
  }

  get callsAgainAt(): number {
    return this.#access.budget.jobsAgainAt();
  }

  callsToKeepUp(seconds: number): number {
    return pollsPerHour(seconds);
  }

  cost(change: Change, bytes: number): number {
    const segments = bytes > SEGMENTED_ABOVE ? 1 : 0;
    return {
      file: 2 + segments,
      version: 3 + segments,
      versions: 1,
      folder: 1,
      delete: 1,
      'delete-folder': 3,
      move: 1,
    }[change];
  }

  /** Waits for the crawl, then polls: 1 call, or none where the last poll is enough. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { mirror } = this.#access;
    while (!mirror.view.crawlDone) {
      if (mirror.state === 'signed-out') throw new Failure('signed-out', { name: this.#access.name });
      await this.#access.clock.sleep(CRAWL_LOOK, signal);
    }
    const isFresh = mirror.sincePoll !== undefined && mirror.sincePoll <= INTERVALS * mirror.freshness;
    if (!this.#o.lastPollIsEnough || !isFresh) await mirror.pollNow(signal);
  }

  async *list(folder: string, signal: AbortSignal): AsyncIterable<SideItem> {
    for (const item of await this.#tree.children(folder, signal)) yield item;
  }

  async stat(path: string, signal: AbortSignal): Promise<SideItem | undefined> {
    const item = await this.#tree.find(path, signal);
    return item && this.#tree.item(item, path);
  }

  absence({ path, id }: Missed, signal: AbortSignal): Promise<Absence> {
    return this.#absence.of(this.#tree.names(path), id, signal);
  }

  async read(path: string, options: { readonly start?: number; readonly signal: AbortSignal }): Promise<Readable> {
    const item = await this.stat(path, options.signal);
    if (!item) throw this.#tree.missing(path);
    const held = await this.content(item, options.signal);
    const stream = await held.open(options.start ?? 0, options.signal);
    stream.once('close', () => held.close());
    return stream;
  }

  async content(wanted: SideItem, signal: AbortSignal): Promise<HeldContent> {
    const item = await this.#tree.find(wanted.path, signal);
    if (!item) throw this.#tree.missing(wanted.path);
    if (String(item.versionId) !== wanted.version) throw new Failure('item-changed', { path: wanted.path });
    const { content } = this.#access;
    return cachedContent(content, {
      id: item.versionId,
      remoteId: item.remoteId,
      size: item.size,
      label: item.name,
    });
  }

  /** 1 call. */
  async versions(wanted: SideItem, signal: AbortSignal): Promise<readonly SideVersion[]> {
    const item = await this.#tree.find(wanted.path, signal);
    if (!item) throw this.#tree.missing(wanted.path);
    const { client, project, content } = this.#access;
    const versions = await client.versions(project, item.remoteId, this.#call(signal));
    return versions
      .toSorted((a, b) => a.number - b.number)
      .map(({ id, size, createdAt, number }) => ({
        id: String(id),
        size,
        mtime: createdAt,
        label: `version ${number}`,
        content: () => cachedContent(content, { id, remoteId: item.remoteId, size, label: item.name }),
      }));
  }

  /** New file: 2 calls, new version: 3; 1 more where the content goes in segments. */
  async write(path: string, content: Content, options: WriteOptions): Promise<SideItem> {
    const { client, writes, project, ownWork, clock } = this.#access;
    const { signal, expected } = options;
    const call = this.#call(signal);
    const { parent, name, known } = await this.#tree.place(path, signal);
    if (known && !known.isFile) throw this.#changed(path);
    if (!isAsExpected(known && this.#tree.item(known, path), expected, this.rules.timeGrain)) throw this.#changed(path);
    const remoteName = linuxNames.decode(name);
    if (!known) return this.#taken(await this.#make(parent.remoteId, remoteName, content, options, path), path);
    let current = await client.fileNow(project, known.remoteId, call);
    const late = await this.#lateVersion(current, known.versionId, call);
    if (current.item.deleted || (current.item.version?.id !== known.versionId && !late))
      throw await this.#other(current, path);
    const began = clock.monotonic();
    const { uploadUuid, digests } = await this.#upload(path, remoteName, content, options);
    if (late && isSameContent(late.digests, digests)) return this.#taken(current, path);
    if (clock.monotonic() - began > LOOK_AGAIN) {
      const seen = current.item.version?.id;
      current = await client.fileNow(project, known.remoteId, call);
      if (current.item.deleted || current.item.version?.id !== seen) throw await this.#other(current, path);
    }
    const { item } = current;
    const before = item.version?.number ?? 0;
    const notes = `Copied by the job "${this.#o.jobName}" on ${hostname()}`;
    const written = await this.#once<Written>(
      async () => {
        const done = await writes.createVersion(project, known.remoteId, { uploadUuid, notes }, call);
        const { version, serverTime } = done;
        return { item: { ...item, version, updatedAt: Math.max(item.updatedAt, serverTime) }, serverTime };
      },
      async () => {
        const now = await client.fileNow(project, known.remoteId, call);
        return (await ownWork.versionAfter(now.item, before, digests, call)) && now;
      },
      { job: true, remoteId: known.remoteId, parentId: parent.remoteId, name: remoteName, digests },
      path,
    );
    return this.#taken(written, path);
  }

  async #make(
    parentId: RemoteId,
    name: string,
    content: Content,
    options: WriteOptions,
    path: string,
  ): Promise<WrittenItem> {
    const { client, writes, project, ownWork } = this.#access;
    const call = this.#call(options.signal);
    const { uploadUuid, digests } = await this.#upload(path, name, content, options);
    return this.#once(
      () => writes.createFile(project, { parentId, name, uploadUuid }, call),
      async () => {
        const { children, serverTime } = await client.folder(project, parentId, call);
        const item = children.find((child) => child.type === 'file' && child.name === name);
        return item && (await ownWork.made(item, digests, call)) ? { item, serverTime } : undefined;
      },
      { job: true, remoteId: NO_REMOTE, parentId, name, digests },
      path,
    );
  }

  /** The call of ours that made the current version after all, where it is not the known one. */
  async #lateVersion({ item }: WrittenItem, known: VersionId, call: CallOptions): Promise<LateCall | undefined> {
    const { late, ownWork } = this.#access;
    const { version } = item;
    if (!version || version.id === known) return undefined;
    for (const one of late.versions(item.id)) if (await ownWork.isOurs(item, version, one.digests, call)) return one;
    return undefined;
  }

  /** Somebody else has changed the file. */
  async #other({ item, serverTime }: WrittenItem, path: string): Promise<Failure> {
    await this.#access.mirror.store.ingestOwn(item, serverTime);
    return this.#changed(path);
  }

  /** 1 call for each folder that is not there, those above the root of the transfer included. */
  async mkdir(path: string, signal: AbortSignal): Promise<void> {
    const names = this.#tree.names(path);
    for (let depth = 1; depth <= names.length; depth++) {
      const item = await this.#tree.at(names.slice(0, depth), signal);
      if (item?.isFile) throw this.#changed(path);
      if (item) continue;
      // Several files of a new folder are written at once: one of them makes it.
      const folder = names.slice(0, depth);
      await this.#making.run(folder.join('/'), (one) => this.#makeFolder(folder, one), signal);
    }
  }

  async #makeFolder(names: readonly string[], signal: AbortSignal): Promise<void> {
    const { client, writes, project } = this.#access;
    const path = names.join('/');
    const parent = await this.#tree.at(names.slice(0, -1), signal);
    if (!parent) throw this.#tree.missing(path);
    await this.#tree.list(parent, signal);
    const name = linuxNames.decode(names.at(-1)!);
    const call = this.#call(signal);
    const look = async (): Promise<Written | undefined> => {
      const { children, serverTime } = await client.folder(project, parent.remoteId, call);
      const item = children.find((child) => child.type === 'folder' && child.name === name);
      return item && { item, serverTime };
    };
    const make = async (): Promise<Written> => {
      try {
        return await writes.createFolder(project, { parentId: parent.remoteId, name }, call);
      } catch (error) {
        const other = isFailure(error, 'name-taken') ? await look() : undefined;
        if (!other) throw error;
        return other;
      }
    };
    await this.#taken(await this.#once<Written>(make, look, undefined, path), path);
  }

  /**
   * Into the recycle bin, while it is what was seen: see `Removals`. A file 1 call; a folder with something in it is listed,
   * deleted and compared: 3.
   */
  async discard(seen: SideItem, { isSeen, signal }: DiscardOptions<SideItem>): Promise<void> {
    const { removals, clock } = this.#access;
    const call = this.#call(signal);
    const known = await this.#tree.find(seen.path, signal);
    if (!known) return;
    // One poll counts for all that a run takes away.
    this.#discardsSince ??= clock.now();
    await removals.look({ id: known.remoteId, isFile: known.isFile }, this.#discardsSince, call);
    const item = await this.#tree.find(seen.path, signal);
    if (!item) return;
    if (item.isFile === seen.folder) throw this.#changed(seen.path);
    if (item.isFile && String(item.versionId) !== seen.version) throw this.#changed(seen.path);
    const ids = new Map<RemoteId, VersionId>([[item.remoteId, item.versionId]]);
    if (!item.isFile && isSeen) await this.#checkBelow(item, seen.path, isSeen, ids, signal);
    else if (!item.isFile) this.#requireEmpty(item, seen.path);
    const went = await removals.remove(item, ({ id, version }) => ids.get(id) === version, call);
    if (!went) throw this.#changed(seen.path);
  }

  async #checkBelow(
    folder: Item,
    path: string,
    isSeen: (below: SideItem) => boolean,
    ids: Map<RemoteId, VersionId>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const below of await this.#tree.children(path, signal)) {
      const item = this.#access.mirror.view.child(folder, below.name);
      if (!item || !isSeen(below)) throw this.#changed(below.path);
      ids.set(item.remoteId, item.versionId);
      if (below.folder) await this.#checkBelow(item, below.path, isSeen, ids, signal);
    }
  }

  #requireEmpty({ remoteId }: Item, path: string): void {
    if (this.#access.mirror.view.children(remoteId, 0, 1).length > 0)
      throw new Failure('target-not-empty', { target: this.root, path });
  }

  #changed(path: string): Failure {
    return new Failure('target-changed', { target: this.root, path });
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    const seen = await this.stat(path, signal);
    if (seen) await this.discard(seen, { signal });
  }

  emptyTrash(): Promise<[]> {
    return Promise.resolve([]);
  }

  async move(from: string, to: string, signal: AbortSignal): Promise<void> {
    const { writes, project } = this.#access;
    const item = await this.#tree.find(from, signal);
    if (!item) throw this.#tree.missing(from);
    const { parent, name, known } = await this.#tree.place(to, signal);
    if (known) throw new Failure('target-exists', { target: this.root, path: to, why: 'something has that name' });
    const change = {
      ...(name === item.name ? {} : { name: linuxNames.decode(name) }),
      ...(parent.remoteId === item.parentId ? {} : { parentId: parent.remoteId }),
    };
    const call = this.#call(signal);
    const written = await (item.isFile
      ? writes.updateFile(project, item.remoteId, change, call)
      : writes.updateFolder(project, item.remoteId, change, call));
    await this.#taken(written, to);
  }

  /** Who may see an item is said in Procore. */
  protect(): Promise<void> {
    return Promise.resolve();
  }

  setTime(): Promise<void> {
    return Promise.resolve();
  }

  /** By what the rows of the project and of the folder say of this account: no call is made to be refused. */
  async test(signal: AbortSignal): Promise<TargetTest> {
    const folder = await this.#tree.find('', signal);
    const project = this.#access.mirror.view.item(ROOT_INODE);
    const isReadOnly = [project, folder].some((item) => item !== undefined && (item.flags & READ_ONLY) !== 0);
    return {
      root: this.root,
      kind: 'procore',
      writable: !isReadOnly,
      ...(isReadOnly ? { why: 'the account may only read there' } : {}),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #call(signal: AbortSignal): CallOptions {
    const { job, whenSpent } = this.#o;
    return { class: 'job', job, whenSpent, signal };
  }

  async #once<T>(
    make: () => Promise<T>,
    look: () => Promise<T | undefined>,
    sent: Omit<LateCall, 'at'> | undefined,
    path: string,
  ): Promise<T> {
    try {
      const made = await once(make, look, sent, this.#access.late);
      this.#uploads.done(this.#placeOf(path));
      return made;
    } catch (error) {
      this.#uploads.failed(this.#placeOf(path), error);
      throw isFailure(error, 'name-taken') ? new Failure('target-changed', { target: this.root, path }, error) : error;
    }
  }

  #upload(path: string, name: string, content: Content, options: WriteOptions) {
    return this.#uploads.upload(this.#placeOf(path), name, content, options, this.#call(options.signal));
  }

  /** From the top, for each job has ends of its own. */
  #placeOf(path: string): string {
    return `${this.#access.project}:${this.#tree.names(path).join('/')}`;
  }

  async #taken({ item, serverTime }: Written, path: string): Promise<SideItem> {
    if (!item) throw new Failure('bad-reply', { host: 'the server', call: path, why: 'it names no item' });
    const { late, mirror } = this.#access;
    const { store, view } = mirror;
    // Whatever an earlier call makes there, this is what is meant to be there.
    if (item.parentId !== null) for (const one of late.creations(item.parentId, item.name)) late.forget(one);
    for (const one of late.versions(item.id)) late.forget(one);
    await store.ingestOwn(item, serverTime);
    const row = view.byRemoteId(item.id as RemoteId);
    if (!row) throw new Failure('internal', { why: `${path} is not in the mirror after it was made` });
    // The server may have cleaned the name: the record says what it is called there.
    return this.#tree.item(row, childPath(parentOf(path), row.name));
  }
}
