import { Failure, isFailure } from '../../base/errors.js';
import type { ProjectId, RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import { linuxNames } from '../../names/linux.js';
import type { ProcoreClient } from '../../procore/client.js';
import type { RemoteItem, RemoteVersion } from '../../procore/items.js';
import type { OwnWork } from '../../procore/own-versions.js';
import type { WrittenItem } from '../../procore/writes.js';
import { sentBy } from '../intents/attempt.js';
import { type Goal, type Intent, NO_REMOTE } from '../intents/intent.js';
import type { Tree } from '../tree/tree.js';
import { isCleaned } from './cleaned-name.js';

export interface LookupOptions {
  readonly client: ProcoreClient;
  readonly ownWork: OwnWork;
  readonly project: ProjectId;
}

/** The server's state of an item whose last call has no known outcome. */
export interface Sighting extends WrittenItem {
  /** The item is where the attempt was to put it. */
  readonly isThere: boolean;
  /** The attempt's content has arrived: as the current version, or covered by another user's version. */
  readonly content: 'current' | 'covered' | undefined;
  /** The version that has that content; undefined: not known. */
  readonly own?: RemoteVersion | undefined;
}

/**
 * Looks up the server's state before a call is repeated. 1 call each, and one more where a version covers one that may
 * be ours.
 */
export class Lookup {
  readonly #options: LookupOptions;
  readonly #tree: Tree;

  constructor(options: LookupOptions, tree: Tree) {
    this.#options = options;
    this.#tree = tree;
  }

  /** The item that the attempt concerned; undefined: the server does not have it. */
  async sight(intent: Intent, goal: Goal, call: CallOptions): Promise<Sighting | undefined> {
    try {
      return intent.remoteId === NO_REMOTE
        ? await this.#made(intent, goal, call)
        : await this.#changed(intent, goal, call);
    } catch (error) {
      if (!isFailure(error, 'gone')) throw error;
      return undefined;
    }
  }

  async childNamed(
    parentId: RemoteId,
    name: string,
    type: 'file' | 'folder',
    call: CallOptions,
  ): Promise<WrittenItem | undefined> {
    const { client, project } = this.#options;
    const { children, serverTime } = await client.folder(project, parentId, call);
    const item =
      children.find((child) => child.type === type && child.name === name) ??
      children.find((child) => child.type === type && isCleaned(child.name, name));
    return item && { item, serverTime };
  }

  async #made(intent: Intent, goal: Goal, call: CallOptions): Promise<Sighting | undefined> {
    const parentId = this.#tree.remoteIdOf(goal.parent);
    const type = intent.folder ? 'folder' : 'file';
    const found =
      parentId === undefined ? undefined : await this.childNamed(parentId, linuxNames.decode(goal.name), type, call);
    if (!found) return undefined;
    // A folder of that name satisfies the intent, no matter who created it.
    if (intent.folder) return { ...found, isThere: true, content: undefined };
    const { item } = found;
    const sent = sentBy(intent, goal);
    // Content that an older program version sent is known by its size only.
    const own = sent
      ? await this.#options.ownWork.made(item, sent, call)
      : item.version?.size === goal.size
        ? item.version
        : undefined;
    if (!own) return undefined;
    return { ...found, isThere: true, content: item.version?.number === 1 ? 'current' : 'covered', own };
  }

  async #changed(intent: Intent, goal: Goal, call: CallOptions): Promise<Sighting> {
    const { item, serverTime } = await this.#now(intent, call);
    const isThere =
      item.parentId === this.#tree.remoteIdOf(goal.parent) && isCleaned(item.name, linuxNames.decode(goal.name));
    const found = goal.upload === undefined ? undefined : await this.#contentOf(item, intent, goal, call);
    return { item, serverTime, isThere, content: undefined, ...found };
  }

  async #contentOf(
    item: RemoteItem,
    intent: Intent,
    goal: Goal,
    call: CallOptions,
  ): Promise<Pick<Sighting, 'content' | 'own'> | undefined> {
    const sent = sentBy(intent, goal);
    if (!sent)
      return item.version?.number === intent.base.number + 1 && item.version.size === goal.size
        ? { content: 'current' }
        : undefined;
    const own = await this.#options.ownWork.versionAfter(item, intent.base.number, sent, call);
    if (!own) return undefined;
    return { content: own.id === item.version?.id ? 'current' : 'covered', own };
  }

  /** A file or folder as it is now. @throws Failure `gone`, also for an item in the recycle bin */
  async #now(intent: Intent, call: CallOptions): Promise<WrittenItem> {
    const found = await this.#found(intent, call);
    if (found.item.deleted) throw new Failure('gone', { what: intent.here.name });
    return found;
  }

  async #found({ folder: isFolder, remoteId }: Intent, call: CallOptions): Promise<WrittenItem> {
    const { client, project } = this.#options;
    if (!isFolder) return client.fileNow(project, remoteId, call);
    const { folder, serverTime } = await client.folder(project, remoteId, call);
    return { item: folder, serverTime };
  }
}
