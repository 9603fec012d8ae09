import type { Clock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import { type ProjectId, type RemoteId, ROOT_INODE, type VersionId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ProcoreClient } from '../procore/client.js';
import type { IndexFilter } from '../procore/items.js';
import type { ProcoreWrites, Written } from '../procore/writes.js';
import { nextSequence } from './database/changes.js';
import { STALE_LISTING_S } from './database/confirmed.js';
import { BIN, DELETED } from './database/flags.js';
import { toReadRow } from './database/page-result.js';
import type { ReadRow } from './database/protocol.js';
import type { Item, View } from './database/view.js';
import type { Mirror } from './mirror.js';
import { takeBack } from './take-back.js';

export interface RemovalOptions {
  readonly mirror: Mirror;
  readonly client: ProcoreClient;
  readonly writes: ProcoreWrites;
  readonly project: ProjectId;
  readonly clock: Clock;
  readonly unanswered: Unanswered;
  /** The name for a restored item if another item has taken its name by now. */
  readonly nameBeside: (name: string) => string;
}

/**
 * Whether the party that removes an item has seen this content of it, or of an item below it. Version 0: a folder, or a
 * file without content.
 */
export type IsSeen = (item: { readonly id: RemoteId; readonly version: VersionId }) => boolean;

/** Remembers deletions that got no reply: the server may execute them at any time, whatever is decided later. */
export interface Unanswered {
  /** @param time server time of the check before the deletion, seconds */
  add(item: Item, time: number): void;
  /** To be called when the item is deleted as intended. */
  forget(id: RemoteId): void;
}

/** What was known just before a deletion was sent. */
export interface Before {
  /** Server time of the check, seconds. */
  readonly time: number;
  /**
   * Items below the folder that were already in the recycle bin; undefined if the deletion may have been sent before.
   */
  readonly binned: ReadonlySet<RemoteId> | undefined;
}

/** A deletion that was sent. */
export interface Sent {
  /** Undefined if no reply came, or the item no longer existed. */
  readonly reply: Written | undefined;
  /** An earlier call may have deleted it. */
  readonly inDoubt: boolean;
}

/** Key in `meta`: replies to deletions of folders say whether the folder had content. */
const REPLIES_TELL = 'bin.replies';
const CHUNK_ITEMS = 256;

/**
 * Removes items from the server if their content is what the caller has seen. The API has no conditional deletion, so
 * the item is checked before the deletion, and what was deleted is compared afterwards. Content that no local user had
 * seen is restored from the recycle bin at once.
 */
export class Removals {
  readonly #options: RemovalOptions;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /**
   * Updates the mirror's state of the item to this time or later (milliseconds since the epoch). Costs 1 call shared by
   * all concurrent callers, or none if a poll was made since; for a folder with content 1 call more, or 1 per 2,000
   * items below it. An item that the mirror does not have yet is requested individually.
   */
  async look({ id, isFile }: { id: RemoteId; isFile: boolean }, since: number, call: CallOptions): Promise<void> {
    const { mirror } = this.#options;
    const { view } = mirror;
    if (view.crawlDone) await mirror.lookSince(since, call.signal ?? NEVER);
    const item = view.byRemoteId(id);
    const isKnown = view.crawlDone && item !== undefined;
    try {
      if (isFile && !isKnown) await this.#lookAtFile(id, call);
      if (isFile || (isKnown && (!isThere(item) || isListedEmpty(item, view)))) return;
      await mirror.listBelow(id, call);
    } catch (error) {
      if (!isFailure(error, 'gone')) throw error;
      await mirror.store.confirmDeletion(id, 0);
    }
  }

  async #lookAtFile(id: RemoteId, call: CallOptions): Promise<void> {
    const { client, project, mirror } = this.#options;
    const { item, serverTime } = await client.fileNow(project, id, call);
    await mirror.store.ingestItems([item], serverTime);
  }

  /** To be called immediately before the deletion. */
  before(item: Item, inDoubt = false): Before {
    const { view, store } = this.#options.mirror;
    const time = view.number('poll.at') ?? Math.floor(this.#options.clock.now() / 1000);
    if (item.isFile || inDoubt) return { time, binned: undefined };
    const binned = new Set<RemoteId>();
    for (const folders = [item.remoteId]; folders.length > 0; ) {
      const folder = folders.pop()!;
      for (const one of all((after) => store.recycled.below(folder, after, CHUNK_ITEMS))) binned.add(one.remoteId);
      for (const one of all((after) => view.children(folder, after, CHUNK_ITEMS)))
        if (!one.isFile) folders.push(one.remoteId);
    }
    return { time, binned };
  }

  /** 1 call. @throws Failure as `ProcoreWrites` */
  async send(item: Item, { time }: Pick<Before, 'time'>, call: CallOptions): Promise<Sent> {
    const { writes, project, unanswered } = this.#options;
    for (let inDoubt = false; ; inDoubt = true)
      try {
        const reply = item.isFile
          ? await writes.deleteFile(project, item.remoteId, call)
          : await writes.deleteFolder(project, item.remoteId, call);
        return { reply, inDoubt };
      } catch (error) {
        if (isFailure(error, 'gone')) return { reply: undefined, inDoubt };
        if (!isFailure(error, 'reply-lost')) throw error;
        unanswered.add(item, time);
        if (inDoubt) throw error;
      }
  }

  /**
   * Compares what was deleted with what was seen: for a file from the reply, for a folder from the recycle bin, 1 call
   * per 2,000 items. Unseen content is restored, a folder with everything in it: 1 call. Returns false in that case,
   * and the item is as before. An item that the server does not show anywhere for a long time (it was purged, or is
   * hidden from this account) counts as deleted.
   * @throws Failure `removal-unchecked`: the server does not show it yet; `unseen-in-bin`: it could not be restored
   */
  async compare(item: Item, sent: Sent, before: Before, isSeen: IsSeen, call: CallOptions): Promise<boolean> {
    const { store } = this.#options.mirror;
    // If neither is true, another client deleted the item.
    const isOurs = sent.reply !== undefined || sent.inDoubt;
    const isAllSeen = isOurs ? await this.#isAllSeen(item, sent, before, isSeen, call) : true;
    if (isAllSeen === false) {
      await this.#bringBack(item, call);
      return false;
    }
    // Before the mirror tells of it: it is no late effect.
    this.#options.unanswered.forget(item.remoteId);
    await store.confirmDeletion(item.remoteId, sent.reply?.serverTime ?? 0);
    return true;
  }

  /** Sends the deletion and compares what was deleted; see `compare`. */
  async remove(item: Item, isSeen: IsSeen, call: CallOptions): Promise<boolean> {
    const before = this.before(item);
    return this.compare(item, await this.send(item, before, call), before, isSeen, call);
  }

  /** Undefined if the deleted content cannot be found. */
  async #isAllSeen(
    item: Item,
    sent: Sent,
    before: Before,
    isSeen: IsSeen,
    call: CallOptions,
  ): Promise<boolean | undefined> {
    const { remoteId: id } = item;
    if (item.isFile) {
      const version = sent.reply?.item?.version?.id ?? (await this.#versionOf(item, before, call));
      return version && isSeen({ id, version });
    }
    const { view, store } = this.#options.mirror;
    const content = new Set(view.children(id, 0, CHUNK_ITEMS).map(({ remoteId }) => remoteId));
    const tells = sent.reply?.item?.hasChildren;
    if (tells && content.size > 0 && view.number(REPLIES_TELL) === undefined)
      await store.setMeta({ [REPLIES_TELL]: 1 });
    if (content.size === 0 && tells === false && view.number(REPLIES_TELL) !== undefined) return true;
    const below = await this.#below(item, content, before, call);
    return below && !below.some((row) => !isSeen(row) && this.#wentAlong(row, before));
  }

  /** Whether the item was deleted with the folder now and was not in the recycle bin before. */
  #wentAlong(row: ReadRow, { time, binned }: Before): boolean {
    const known = this.#options.mirror.view.byRemoteId(row.id);
    // The index may lag, so an item this new may be unseen although the check did not show it.
    const since = time - STALE_LISTING_S;
    const isNew = row.createdAt >= since || row.madeAt >= since;
    if (!known) return isNew;
    if ((known.flags & DELETED) === 0) return true;
    return binned ? !binned.has(row.id) : isNew || row.updatedAt >= since;
  }

  /**
   * The content of a deleted folder in the recycle bin, once the server shows the folder there with its `content`. If
   * no content is known, the folder's own listing is the best source. Undefined if the content cannot be found any
   * more.
   */
  async #below(
    folder: Item,
    content: ReadonlySet<RemoteId>,
    before: Before,
    call: CallOptions,
  ): Promise<readonly ReadRow[] | undefined> {
    const { mirror } = this.#options;
    const { remoteId: folderId } = folder;
    const listed = content.size === 0 ? await this.#listed(folderId, call) : undefined;
    if (listed) return listed;
    const filters: readonly IndexFilter[] = [{ folderId, inRecycleBin: true }, { folderId }];
    let binned: readonly ReadRow[] | undefined;
    let isLong = false;
    for (const filter of filters) {
      const { rows, serverTime } = await mirror.read(filter, call);
      isLong = isLongSince(before, serverTime);
      if (!rows.some((row) => row.id === folderId && row.deleted)) continue;
      binned = rows.filter((row) => row.id !== folderId);
      if (content.size === 0 || rows.some((row) => content.has(row.id))) return binned;
    }
    if (!isLong) throw new Failure('removal-unchecked', { path: folder.name });
    return binned;
  }

  /**
   * The content of a folder in the recycle bin according to its own listing; undefined if the server does not show one.
   */
  async #listed(id: RemoteId, call: CallOptions): Promise<readonly ReadRow[] | undefined> {
    const { client, project } = this.#options;
    try {
      const { folder, children } = await client.folder(project, id, call);
      return folder.deleted ? children.map(toReadRow) : undefined;
    } catch (error) {
      if (!isFailure(error, 'gone')) throw error;
      return undefined;
    }
  }

  /** The current version of the file when it was deleted; undefined if it cannot be found any more. */
  async #versionOf(item: Item, before: Before, call: CallOptions): Promise<VersionId | undefined> {
    const { client, project, mirror } = this.#options;
    try {
      const now = await client.file(project, item.remoteId, call);
      // Another client restored it.
      if (!now.deleted) return NEVER_SEEN;
      return now.version?.id;
    } catch (error) {
      if (!isFailure(error, 'gone')) throw error;
    }
    const filter = { type: 'file', inRecycleBin: true, updatedFrom: item.updatedAt } as const;
    const { rows, serverTime } = await mirror.read(filter, call);
    const row = rows.find(({ id }) => id === item.remoteId);
    if (!row && !isLongSince(before, serverTime)) throw new Failure('removal-unchecked', { path: item.name });
    return row?.version;
  }

  async #bringBack(item: Item, call: CallOptions): Promise<void> {
    const { mirror, nameBeside } = this.#options;
    const { view, store } = mirror;
    const root = view.item(ROOT_INODE)?.remoteId ?? item.parentId;
    const name = nameBeside(item.remoteName);
    const places = [item.parentId, root].flatMap((parentId) => [{ parentId }, { parentId, name }]);
    let why: unknown;
    for (const place of places)
      try {
        const { item: now, serverTime } = await takeBack(this.#options, item, place, call);
        const { inode, sequence, versionId } = view.byRemoteId(item.remoteId) ?? item;
        const isSame = (now.version?.id ?? 0) === versionId;
        const own = isSame ? { sequence } : { sequence: nextSequence(sequence), replaced: sequence };
        await store.confirm(now, serverTime, inode, { ...own, restored: true });
        // Replies to other calls may have marked its content as gone meanwhile.
        if (!item.isFile) await mirror.listBelow(item.remoteId, call);
        return;
      } catch (error) {
        if (!isFailure(error, 'name-taken') && !isFailure(error, 'gone')) throw error;
        why = error;
      }
    throw new Failure('unseen-in-bin', { path: item.name }, why);
  }
}

/** Seconds after the check before a deletion until an item that the server shows nowhere is no longer waited for. */
const UNSEEN_LIMIT_S = 15 * 60;

const isLongSince = ({ time }: Before, serverTime: number): boolean => serverTime - time > UNSEEN_LIMIT_S;

const isThere = ({ flags }: Item): boolean => (flags & (DELETED | BIN)) === 0;

/** The folder is completely listed and has no children. */
const isListedEmpty = ({ remoteId }: Item, view: View): boolean =>
  view.isListed(remoteId) && view.children(remoteId, 0, 1).length === 0;

const NEVER = new AbortController().signal;

/** An id that no version has. */
const NEVER_SEEN = -1 as VersionId;

function* all(chunk: (after: number) => readonly Item[]): Generator<Item> {
  for (let after = 0; ; ) {
    const items = chunk(after);
    yield* items;
    if (items.length < CHUNK_ITEMS) return;
    after = items.at(-1)!.inode;
  }
}
