import type { Clock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import type { ProjectId, RemoteId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import { linuxNames } from '../names/linux.js';
import type { ProcoreClient } from '../procore/client.js';
import type { RemoteItem } from '../procore/items.js';
import type { WrittenItem } from '../procore/writes.js';
import { isRecent } from './attempt.js';
import { isCleaned } from './cleaned-name.js';
import { type Attempt, type Intent, NO_REMOTE } from './intent.js';
import type { Tree } from './tree.js';

export interface LookupOptions {
  readonly client: ProcoreClient;
  readonly project: ProjectId;
  /** Login and name of the connection's account: how the server calls whoever made a version here. Empty: not known. */
  readonly account: readonly string[];
}

/** What the server has of an intent whose last call has no known outcome. */
export interface Sighting extends WrittenItem {
  /** The item is where the attempt was to bring it. */
  readonly isThere: boolean;
  /** Its content is what the attempt was to bring. */
  readonly hasContent: boolean;
}

/** Looks at the server before anything is repeated; 1 call each. */
export class Lookup {
  readonly #o: LookupOptions;
  readonly #tree: Tree;
  readonly #clock: Clock;

  constructor(options: LookupOptions, tree: Tree, clock: Clock) {
    this.#o = options;
    this.#tree = tree;
    this.#clock = clock;
  }

  /** The item that the attempt was about; undefined: the server does not have it. */
  async sight(intent: Intent, attempt: Attempt, call: CallOptions): Promise<Sighting | undefined> {
    try {
      return intent.remoteId === NO_REMOTE
        ? await this.#made(intent, attempt, call)
        : await this.#changed(intent, attempt, call);
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
    const { client, project } = this.#o;
    const { children, serverTime } = await client.folder(project, parentId, call);
    const item =
      children.find((child) => child.type === type && child.name === name) ??
      children.find((child) => child.type === type && isCleaned(child.name, name));
    return item && { item, serverTime };
  }

  async #made(intent: Intent, attempt: Attempt, call: CallOptions): Promise<Sighting | undefined> {
    const parentId = this.#tree.remoteIdOf(attempt.parent);
    const type = intent.folder ? 'folder' : 'file';
    const found =
      parentId === undefined ? undefined : await this.childNamed(parentId, linuxNames.decode(attempt.name), type, call);
    if (!found || !(intent.folder ? isRecent(found.item, intent) : this.#isOwn(found.item, intent, attempt)))
      return undefined;
    return { ...found, isThere: true, hasContent: true };
  }

  async #changed(intent: Intent, attempt: Attempt, call: CallOptions): Promise<Sighting> {
    const { item, serverTime } = await this.#item(intent, call);
    const isThere =
      item.parentId === this.#tree.remoteIdOf(attempt.parent) && isCleaned(item.name, linuxNames.decode(attempt.name));
    const isNew = attempt.upload !== undefined && (item.version?.number ?? 0) > intent.baseNumber;
    return { item, serverTime, isThere, hasContent: isNew && this.#isOwn(item, intent, attempt) };
  }

  async #item(intent: Intent, call: CallOptions): Promise<WrittenItem> {
    const { client, project } = this.#o;
    if (intent.folder) {
      const { folder, serverTime } = await client.folder(project, intent.remoteId, call);
      return { item: folder, serverTime };
    }
    const item = await client.file(project, intent.remoteId, call);
    if (item.deleted) throw new Failure('gone', { what: intent.name });
    return { item, serverTime: Math.floor(this.#clock.now() / 1000) };
  }

  /** Whether the attempt may have made this version: by our account, of its size, since it began. */
  #isOwn(item: RemoteItem, intent: Intent, attempt: Attempt): boolean {
    const by = item.version?.createdBy;
    const { account } = this.#o;
    const isOurs = by === undefined || account.length === 0 || account.includes(by);
    return isRecent(item, intent) && item.version?.size === attempt.size && isOurs;
  }
}
