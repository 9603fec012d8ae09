import { EventEmitter } from 'node:events';
import { type Clock, systemClock } from '../../base/clock.js';
import type { Inode, RemoteId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { type Database, openDatabase } from '../../database/open.js';
import { FOLD_VERSION } from '../../names/fold.js';
import type { RawListing } from '../../procore/client.js';
import type { RemoteItem } from '../../procore/items.js';
import type { RawPage, WalkStep } from '../sync/index-source.js';
import type { ListedSpan } from './absence.js';
import type { Change } from './changes.js';
import { STALE_LISTING_S } from './confirmed.js';
import { mirrorOptions } from './files.js';
import type { FolderAt } from './index-positions.js';
import type { Binding, Numbers } from './numbers.js';
import type { Meta, PageResult, ReadPage, SweepResult } from './protocol.js';
import { RecycledView } from './recycled-view.js';
import { FOLDED } from './shown-names.js';
import { View } from './view.js';
import type { Own } from './writer.js';
import { WriterThread } from './writer-thread.js';

interface Events {
  /** Emitted after a reply was stored; the view already shows the new state. */
  changed: [changes: readonly Change[]];
}

/** `mirror.db`: read on this thread, written on another. */
export class MirrorStore {
  readonly view: View;
  readonly recycled: RecycledView;
  readonly events = new EventEmitter<Events>();
  readonly #db: Database;
  readonly #writer: WriterThread;
  readonly #log: Log;
  #badRows = 0;
  #changes = 0;

  constructor(path: string, log: Log, clock: Clock = systemClock) {
    this.#db = openDatabase(path, mirrorOptions);
    const view = new View(this.#db);
    this.view = view;
    this.recycled = new RecycledView(this.#db, () => (view.number('bin.at') ?? 0) - STALE_LISTING_S);
    this.#writer = new WriterThread({ path, take: (changes) => this.#take(changes), clock, log });
    this.#log = log;
  }

  /** Rows of replies that could not be parsed, since the start. */
  get badRows(): number {
    return this.#badRows;
  }

  /** See `WriterThread.deaths`. */
  get writerDeaths(): number {
    return this.#writer.deaths;
  }

  /** Incremented whenever a reply changes something. */
  get changes(): number {
    return this.#changes;
  }

  /** @param knownSince see `Writer.ingest` */
  async ingestPage(page: RawPage, knownSince: number | undefined, meta: Meta): Promise<PageResult> {
    const { body, serverTime } = page;
    return this.#taken(await this.#writer.run({ op: 'page', body, serverTime, knownSince, meta }));
  }

  /** Stores a page of a sweep, requested as `step` says, and compares it with the mirror. */
  async ingestSweep(page: RawPage, step: WalkStep): Promise<SweepResult> {
    const { body, serverTime, total, perPage } = page;
    const knownSince = this.view.number('poll.at');
    const result = await this.#writer.run({ op: 'sweep', body, serverTime, knownSince, ...step, perPage, total });
    this.#taken(result);
    return result;
  }

  /** Parses a page of the index without storing it. */
  read({ body }: Pick<RawPage, 'body'>): Promise<ReadPage> {
    return this.#writer.run({ op: 'read', body });
  }

  /** See `Writer.settle`. */
  async settle(listed: ListedSpan): Promise<readonly RemoteId[]> {
    return (await this.#writer.run({ op: 'settle', ...listed })).folders;
  }

  /** Records that the mirror has everything below the folder. */
  subtreeListed(folder: RemoteId): Promise<undefined> {
    return this.#writer.run({ op: 'subtree-listed', folder });
  }

  async ingestItems(items: readonly RemoteItem[], serverTime: number): Promise<PageResult> {
    return this.#taken(await this.#writer.run({ op: 'items', items, serverTime, knownSince: undefined, meta: {} }));
  }

  /** @throws Failure `bad-reply` */
  async ingestListing({ body, serverTime }: RawListing): Promise<PageResult> {
    const knownSince = this.view.crawlDone ? this.view.number('poll.at') : undefined;
    return this.#taken(await this.#writer.run({ op: 'listing', body, serverTime, knownSince }));
  }

  /** Stores the result of one of our own calls; see `Writer.confirm`. */
  async confirm(item: RemoteItem, serverTime: number, inode: Inode, own: Own): Promise<PageResult> {
    return this.#taken(await this.#writer.run({ op: 'confirm', item, serverTime, inode, own }));
  }

  /** Stores the result of a job's call; see `Writer.ingestOwn`. */
  async ingestOwn(item: RemoteItem, serverTime: number): Promise<PageResult> {
    return this.#taken(await this.#writer.run({ op: 'own', item, serverTime }));
  }

  async confirmDeletion(id: RemoteId, serverTime: number): Promise<PageResult> {
    return this.#taken(await this.#writer.run({ op: 'confirm-deletion', id, serverTime }));
  }

  /** See `Writer.renew`. */
  async renew(inode: Inode): Promise<PageResult> {
    return this.#taken(await this.#writer.run({ op: 'renew', inode }));
  }

  /** See `IndexPositions.longestBelow`. */
  longestBelow(folders: readonly FolderAt[], without: readonly RemoteId[]): Promise<number> {
    return this.#writer.run({ op: 'longest-below', folders, without });
  }

  /** Identifies this mirror and its state; see `Numbers`. */
  numbers(): Promise<Numbers> {
    return this.#writer.run({ op: 'numbers' });
  }

  /** See `Writer.bind`. */
  async bind(bindings: readonly Binding[], freed: readonly Binding[], above: number): Promise<void> {
    await this.#writer.run({ op: 'bind', bindings, freed, above });
  }

  setMeta(meta: Meta): Promise<undefined> {
    return this.#writer.run({ op: 'meta', meta });
  }

  /** See `setBack`. */
  setBack(now: number, from: number): Promise<undefined> {
    return this.#writer.run({ op: 'set-back', now, from });
  }

  /** Everything stored so far is on stable storage when this resolves. */
  async sync(): Promise<void> {
    await this.#writer.run({ op: 'sync' });
  }

  /** From now on names that differ only in case are the same name. This cannot be undone. */
  async ignoreCase(): Promise<void> {
    if (this.view.number(FOLDED) === FOLD_VERSION) return;
    const result = await this.#writer.run({ op: 'ignore-case' });
    this.view.caseChanged();
    this.#taken(result);
  }

  /** @param unlisted folders whose children are not known */
  async finishCrawl(meta: Meta, unlisted: readonly RemoteId[] = []): Promise<void> {
    await this.#writer.run({ op: 'finish-crawl', meta, unlisted });
    await this.#writer.renew();
  }

  rank(id: RemoteId): Promise<number> {
    return this.#writer.run({ op: 'rank', id });
  }

  countUntil(time: number): Promise<number> {
    return this.#writer.run({ op: 'count-until', time });
  }

  async close(): Promise<void> {
    await this.#writer.close();
    this.#db.close();
  }

  #take(changes: readonly Change[]): void {
    this.view.forget(changes);
    this.#changes++;
    this.events.emit('changed', changes);
  }

  #taken(result: PageResult): PageResult {
    this.#badRows += result.bad.length;
    for (const row of result.bad) this.#log.warn(row, 'a row of a reply was not understood and is left out');
    return result;
  }
}
