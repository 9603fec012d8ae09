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
  /** What an item is called that comes back where another has its name by now. */
  readonly nameBeside: (name: string) => string;
}

/** Whether whoever removes an item has seen this content of it, or of what is in it; version 0: a folder, or no content. */
export type IsSeen = (item: { readonly id: RemoteId; readonly version: VersionId }) => boolean;

/** Remembers deletions that got no reply: the server may carry them out at any time, whatever was decided since. */
export interface Unanswered {
  /** @param time server time of the look before it, seconds */
  add(item: Item, time: number): void;
  /** The item is gone, as it was to be. */
  forget(id: RemoteId): void;
}

/** What was known just before a deletion was sent. */
export interface Before {
  /** Server time of the look, seconds. */
  readonly time: number;
  /** What was in the recycle bin from below the folder; undefined where the deletion may have been sent before. */
  readonly binned: ReadonlySet<RemoteId> | undefined;
}

/** A deletion that was sent. */
export interface Sent {
  /** Undefined where none came, or the item was not there any more. */
  readonly reply: Written | undefined;
  /** An earlier call may have deleted it. */
  readonly inDoubt: boolean;
}

/** Key in `meta`: replies to deletions of folders tell whether something was in them. */
const REPLIES_TELL = 'bin.replies';
const CHUNK_ITEMS = 256;

/**
 * Removes items from the server, while they are what was seen of them. The API has no condition on a deletion, so one
 * looks before it, and compares afterwards what went: what nobody here had seen is taken out of the bin at once.
 */
export class Removals {
  readonly #options: RemovalOptions;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /**
   * Brings what is known of the item up to this time or later (milliseconds since the epoch): 1 call for all who ask, or
   * none where a poll was made since; for a folder with something in it 1 call more, or 1 for each 2,000 items below it.
   * Where the mirror does not know the item yet it is asked for by itself.
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

  /** To be called just before the deletion. */
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
   * Compares what went with what was seen: of a file by the reply, of a folder in the bin, 1 call for 2,000 items. What
   * was not seen comes back, a folder with all that is in it: 1 call. False then, and it is as it was. What the server shows
   * nowhere for long (it was purged, or is hidden from this account) counts as gone, and its call as unanswered still.
   * @throws Failure `removal-unchecked`: the server does not show it yet; `unseen-in-bin`: it could not be brought back
   */
  async compare(item: Item, sent: Sent, before: Before, isSeen: IsSeen, call: CallOptions): Promise<boolean> {
    const { store } = this.#options.mirror;
    // Somebody else deleted it.
    const isOurs = sent.reply !== undefined || sent.inDoubt;
    const isAllSeen = isOurs ? await this.#isAllSeen(item, sent, before, isSeen, call) : true;
    if (isAllSeen === false) {
      await this.#bringBack(item, call);
      return false;
    }
    await store.confirmDeletion(item.remoteId, sent.reply?.serverTime ?? 0);
    if (isAllSeen) this.#options.unanswered.forget(item.remoteId);
    return true;
  }

  /** Sends the deletion and compares. */
  async remove(item: Item, isSeen: IsSeen, call: CallOptions): Promise<boolean> {
    const before = this.before(item);
    return this.compare(item, await this.send(item, before, call), before, isSeen, call);
  }

  /** Undefined where what went cannot be found. */
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

  /** Whether the item went with the folder now, and was not in the bin before. */
  #wentAlong(row: ReadRow, { time, binned }: Before): boolean {
    const known = this.#options.mirror.view.byRemoteId(row.id);
    // The index may lag, so what is that new may not have been seen, wherever one looked.
    const since = time - STALE_LISTING_S;
    const isNew = row.createdAt >= since || row.madeAt >= since;
    if (!known) return isNew;
    if ((known.flags & DELETED) === 0) return true;
    return binned ? !binned.has(row.id) : isNew || row.updatedAt >= since;
  }

  /**
   * What is in the bin of a folder that was deleted, as soon as the server shows it there with its `content`. Where nothing
   * is known to be in it, its own listing says most. Undefined where it cannot be found any more.
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

  /** What a folder in the bin has in it by its own listing; undefined where the server does not show one. */
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

  /** The version with which a file went; undefined where it cannot be found any more. */
  async #versionOf(item: Item, before: Before, call: CallOptions): Promise<VersionId | undefined> {
    const { client, project, mirror } = this.#options;
    try {
      const now = await client.file(project, item.remoteId, call);
      // Somebody took it out of the bin.
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
        // Others may have told meanwhile that all of it is gone.
        if (!item.isFile) await mirror.listBelow(item.remoteId, call);
        return;
      } catch (error) {
        if (!isFailure(error, 'name-taken') && !isFailure(error, 'gone')) throw error;
        why = error;
      }
    throw new Failure('unseen-in-bin', { path: item.name }, why);
  }
}

/** Seconds after the look before a deletion from which on what the server shows nowhere is not waited for. */
const UNSEEN_LIMIT_S = 15 * 60;

const isLongSince = ({ time }: Before, serverTime: number): boolean => serverTime - time > UNSEEN_LIMIT_S;

const isThere = ({ flags }: Item): boolean => (flags & (DELETED | BIN)) === 0;

/** Nothing is in it, as far as is known, and all of it is. */
const isListedEmpty = ({ remoteId }: Item, view: View): boolean =>
  view.isListed(remoteId) && view.children(remoteId, 0, 1).length === 0;

const NEVER = new AbortController().signal;

/** No version has it. */
const NEVER_SEEN = -1 as VersionId;

function* all(chunk: (after: number) => readonly Item[]): Generator<Item> {
  for (let after = 0; ; ) {
    const items = chunk(after);
    yield* items;
    if (items.length < CHUNK_ITEMS) return;
    after = items.at(-1)!.inode;
  }
}
