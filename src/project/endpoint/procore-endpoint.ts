import type { Readable } from 'node:stream';
import { SingleFlight } from '../../base/abort.js';
import { Failure, isFailure } from '../../base/errors.js';
import { type RemoteId, ROOT_INODE, type VersionId } from '../../base/ids.js';
import type { Content, DiscardOptions, TargetRules, TargetTest, WriteOptions } from '../../endpoints/target.js';
import type {
  Absence,
  ChangeKind,
  Endpoint,
  EndpointItem,
  EndpointVersion,
  HeldContent,
  Missed,
} from '../../jobs/endpoint.js';
import { READ_ONLY } from '../../mirror/database/flags.js';
import type { Item } from '../../mirror/database/view.js';
import { pollsPerHour } from '../../mirror/sync/poll-interval.js';
import { linuxNames } from '../../names/linux.js';
import { SEGMENTED_ABOVE } from '../../procore/uploads.js';
import type { Written } from '../../procore/writes.js';
import { FileWrites } from './file-writes.js';
import { cachedContent } from './procore-content.js';
import { procoreRules } from './procore-rules.js';
import { ProjectAbsence } from './project-absence.js';
import { ProjectChanges } from './project-changes.js';
import { type ProcoreEndpointOptions, type ProjectAccess, ProjectTree } from './project-tree.js';

/**
 * Poll intervals within which the last poll counts as fresh: polls may be a little late without anything being wrong.
 */
const INTERVALS = 2;

/**
 * A Procore project as one endpoint of a transfer: listed from the mirror, read through the content cache, written by
 * API calls.
 */
export class ProcoreEndpoint implements Endpoint {
  readonly keepsVersions = true;
  readonly hasBin = true;
  readonly root: string;
  readonly #access: ProjectAccess;
  readonly #options: ProcoreEndpointOptions;
  readonly #callsBefore: number;
  /** When the run made its first deletion, milliseconds since the epoch. */
  #discardsSince: number | undefined;
  readonly #tree: ProjectTree;
  readonly #changes: ProjectChanges;
  readonly #files: FileWrites;
  readonly #absence: ProjectAbsence;
  readonly #making = new SingleFlight<string, void>();

  constructor(access: ProjectAccess, options: ProcoreEndpointOptions) {
    this.#access = access;
    this.#options = options;
    this.root = `${access.name}:/${options.path}`;
    this.#tree = new ProjectTree(access, options, this.root);
    this.#changes = new ProjectChanges(access, options, this.#tree, this.root);
    this.#files = new FileWrites(access, options, this.#tree, this.#changes);
    this.#absence = new ProjectAbsence(access.mirror, (signal) => this.#changes.call(signal));
    this.#callsBefore = access.budget.callsOf(options.job);
  }

  /** If names of the project ignore case here, names that a job creates must as well. */
  get rules(): TargetRules {
    return procoreRules(this.#access.mirror.view.ignoresCase);
  }

  get calls(): number {
    return this.#access.budget.callsOf(this.#options.job) - this.#callsBefore;
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

  cost(change: ChangeKind, bytes: number): number {
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

  /** Waits for the first crawl, then polls: 1 call, or none if the last poll is fresh enough. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { mirror } = this.#access;
    await mirror.crawled(signal);
    const isFresh = mirror.sincePoll !== undefined && mirror.sincePoll <= INTERVALS * mirror.freshness;
    if (!this.#options.lastPollIsEnough || !isFresh) await mirror.pollNow(signal);
  }

  async *list(folder: string, signal: AbortSignal): AsyncIterable<EndpointItem> {
    for (const item of await this.#tree.children(folder, signal)) yield item;
  }

  async stat(path: string, signal: AbortSignal): Promise<EndpointItem | undefined> {
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

  async content(wanted: EndpointItem, signal: AbortSignal): Promise<HeldContent> {
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
  async versions(wanted: EndpointItem, signal: AbortSignal): Promise<readonly EndpointVersion[]> {
    const item = await this.#tree.find(wanted.path, signal);
    if (!item) throw this.#tree.missing(wanted.path);
    const { client, project, content } = this.#access;
    const versions = await client.versions(project, item.remoteId, this.#changes.call(signal));
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

  /** See `FileWrites`. */
  write(path: string, content: Content, options: WriteOptions): Promise<EndpointItem> {
    return this.#files.write(path, content, options);
  }

  isLateWork(item: EndpointItem, signal: AbortSignal): Promise<boolean> {
    return this.#files.isLateWork(item, signal);
  }

  /** 1 call for each missing folder, including those above the root of the transfer. */
  async mkdir(path: string, signal: AbortSignal): Promise<void> {
    const names = this.#tree.names(path);
    for (let depth = 1; depth <= names.length; depth++) {
      const item = await this.#tree.at(names.slice(0, depth), signal);
      if (item?.isFile) throw this.#changes.changed(path);
      if (item) continue;
      // Parallel writes into a new folder share one call that creates it.
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
    const call = this.#changes.call(signal);
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
    await this.#changes.taken(await this.#changes.once<Written>({ make, look }, path), path);
  }

  /**
   * Moves an item into the recycle bin, provided that it is still as it was seen: see `Removals`. A file takes 1 call.
   * A folder with content is listed, deleted and compared: 3 calls.
   */
  async discard(seen: EndpointItem, { isSeen, signal }: DiscardOptions<EndpointItem>): Promise<void> {
    const { removals, clock } = this.#access;
    const call = this.#changes.call(signal);
    const known = await this.#tree.find(seen.path, signal);
    if (!known) return;
    // One poll serves all deletions of a run.
    this.#discardsSince ??= clock.now();
    await removals.look({ id: known.remoteId, isFile: known.isFile }, this.#discardsSince, call);
    const item = await this.#tree.find(seen.path, signal);
    if (!item) return;
    if (item.isFile === seen.folder) throw this.#changes.changed(seen.path);
    if (item.isFile && String(item.versionId) !== seen.version) throw this.#changes.changed(seen.path);
    const ids = new Map<RemoteId, VersionId>([[item.remoteId, item.versionId]]);
    if (!item.isFile && isSeen) await this.#checkBelow(item, seen.path, isSeen, ids, signal);
    else if (!item.isFile) this.#requireEmpty(item, seen.path);
    const went = await removals.remove(item, ({ id, version }) => ids.get(id) === version, call);
    if (!went) throw this.#changes.changed(seen.path);
  }

  async #checkBelow(
    folder: Item,
    path: string,
    isSeen: (below: EndpointItem) => boolean,
    ids: Map<RemoteId, VersionId>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const below of await this.#tree.children(path, signal)) {
      const item = this.#access.mirror.view.child(folder, below.name);
      if (!item || !isSeen(below)) throw this.#changes.changed(below.path);
      ids.set(item.remoteId, item.versionId);
      if (below.folder) await this.#checkBelow(item, below.path, isSeen, ids, signal);
    }
  }

  #requireEmpty({ remoteId }: Item, path: string): void {
    if (this.#access.mirror.view.children(remoteId, 0, 1).length > 0)
      throw new Failure('target-not-empty', { target: this.root, path });
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
    const call = this.#changes.call(signal);
    const written = await (item.isFile
      ? writes.updateFile(project, item.remoteId, change, call)
      : writes.updateFolder(project, item.remoteId, change, call));
    await this.#changes.taken(written, to);
  }

  /** Permissions are managed in Procore only. */
  protect(): Promise<void> {
    return Promise.resolve();
  }

  setTime(): Promise<void> {
    return Promise.resolve();
  }

  /** Reads the permission flags of the project and the folder from the mirror: no call is made just to be refused. */
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
}
