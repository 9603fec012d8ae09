import type { Failure } from '../../base/errors.js';
import type { Inode, ProjectId, RemoteId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { CallOptions } from '../../budget/calls.js';
import type { Statement } from '../../database/open.js';
import { Table } from '../../database/table.js';
import type { MirrorStore } from '../../mirror/database/store.js';
import type { ProcoreWrites } from '../../procore/writes.js';
import { NO_REMOTE } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import type { LocalItem } from '../tree/tree.js';

/** `open`: while a program has the file open for writing (`-o checkout`) · `asked`: a user set the attribute. */
type Why = 'open' | 'asked';

/** A file that this mount has checked out. */
export interface OwnCheckout {
  readonly inode: Inode;
  readonly remoteId: RemoteId;
  /** Seconds since the epoch. */
  readonly until: number;
  readonly why: Why;
}

const checkoutTable = new Table<OwnCheckout>('checkouts', {
  inode: 'inode',
  remoteId: 'remote_id',
  until: 'until',
  why: 'why',
});

export interface CheckoutOptions {
  readonly outbox: Outbox;
  readonly store: MirrorStore;
  readonly writes: ProcoreWrites;
  readonly project: ProjectId;
  /** Login and name of the connection's account. */
  readonly account: readonly string[];
  readonly log: Log;
}

/** Default length of a check-out, seconds: the longest of Procore's usual periods below a week. */
export const USUAL_CHECKOUT_S = 24 * 3600;
/** A check-out with at least this much time left is not renewed at the next open, seconds. */
const ENOUGH_S = 3600;
/** Delay from a change to the search for check-outs that are no longer needed, milliseconds. */
const TIDY_DELAY_MS = 1000;

/**
 * Knows who has which file checked out. Own check-outs are recorded before the call, so that none outlives a crash. A
 * file that was checked out for an open is checked in once no program has it open and no change of it waits.
 */
export class Checkouts {
  readonly #options: CheckoutOptions;
  readonly #own = new Map<Inode, OwnCheckout>();
  readonly #put: (row: OwnCheckout) => void;
  readonly #delete: Statement<[number]>;
  readonly #stop = new AbortController();
  readonly #onChange = (): void => this.#soon();
  readonly #turns = new Map<Inode, Promise<void>>();
  /** Number of opens for writing in progress, by inode. */
  readonly #opening = new Map<Inode, number>();
  #cancelTidying: (() => void) | undefined;
  #tidying: Promise<void> = Promise.resolve();

  constructor(options: CheckoutOptions) {
    this.#options = options;
    const { database } = options.outbox.intents;
    this.#put = checkoutTable.insert(database, 'OR REPLACE');
    this.#delete = database.prepare('DELETE FROM checkouts WHERE inode = ?');
    for (const own of checkoutTable.select(database).all()) this.#own.set(own.inode, own);
  }

  start(): void {
    this.#options.outbox.events.on('changed', this.#onChange);
    this.#soon();
  }

  own(inode: Inode): OwnCheckout | undefined {
    const own = this.#own.get(inode);
    return own && own.until > this.#now() ? own : undefined;
  }

  /** The other user who has the file checked out, as far as the mirror knows. */
  otherHolder(item: LocalItem): string | undefined {
    if (item.remoteId === NO_REMOTE || this.own(item.inode)) return undefined;
    const { view } = this.#options.store;
    const row = view.byRemoteId(item.remoteId);
    if (!row) return undefined;
    const { checkedOutBy, checkedOutUntil } = view.people(row.inode);
    if (checkedOutBy === undefined || this.#options.account.includes(checkedOutBy)) return undefined;
    return checkedOutUntil !== undefined && checkedOutUntil < this.#now() ? undefined : checkedOutBy;
  }

  /**
   * Checks a file out. 1 call; none if the present check-out lasts long enough or the file is not at the server yet.
   * @throws Failure `checked-out` when another user has it, or as the client does
   */
  take(item: LocalItem, seconds: number, why: Why, call: CallOptions): Promise<void> {
    if (item.remoteId === NO_REMOTE) return Promise.resolve();
    return this.#inTurn(item.inode, () => this.#take(item, seconds, why, call));
  }

  /** Checks a file in. 1 call; none if it is not checked out here. */
  giveBack(inode: Inode, call: CallOptions): Promise<void> {
    return this.#inTurn(inode, () => this.#giveBack(inode, call));
  }

  async #giveBack(inode: Inode, call: CallOptions): Promise<void> {
    const own = this.#own.get(inode);
    if (!own) return;
    if (own.until > this.#now()) await this.#patch(own.remoteId, null, call);
    this.forget(inode);
  }

  /** As `take`, for a program that opens the file. The file counts as in use from before the call. */
  async opened<T>(item: LocalItem, call: CallOptions, open: () => Promise<T>): Promise<T> {
    const { inode } = item;
    this.#opening.set(inode, (this.#opening.get(inode) ?? 0) + 1);
    try {
      await this.take(item, USUAL_CHECKOUT_S, 'open', call);
      return await open();
    } finally {
      const left = this.#opening.get(inode)! - 1;
      if (left > 0) this.#opening.set(inode, left);
      else this.#opening.delete(inode);
      this.#soon();
    }
  }

  /** A program has the file open for writing or is opening it, or a change of it waits to be sent. */
  #isNeeded(inode: Inode): boolean {
    const { outbox } = this.#options;
    return (
      this.#opening.has(inode) || (outbox.working(inode)?.writers ?? 0) > 0 || outbox.intents.get(inode) !== undefined
    );
  }

  /** Forgets a check-out that the server has ended, as it does with each new version. */
  forget(inode: Inode): void {
    if (!this.#own.has(inode)) return;
    // The row is deleted first, so that a failed write is tried again.
    this.#delete.run(inode);
    this.#own.delete(inode);
  }

  async close(): Promise<void> {
    this.#options.outbox.events.off('changed', this.#onChange);
    this.#cancelTidying?.();
    this.#stop.abort();
    await this.#tidying;
  }

  /** Makes one call about a file at a time, so that a check-in cannot cross a check-out. */
  async #inTurn(inode: Inode, work: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(inode);
    const turn = (before ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.#turns.set(inode, settled);
    try {
      await turn;
    } finally {
      if (this.#turns.get(inode) === settled) this.#turns.delete(inode);
    }
  }

  async #take(item: LocalItem, seconds: number, why: Why, call: CallOptions): Promise<void> {
    const before = this.#own.get(item.inode);
    const until = this.#now() + seconds;
    if (before && before.until > Math.min(until, this.#now() + ENOUGH_S) && (before.why === 'asked' || why === 'open'))
      return;
    const row: OwnCheckout = { inode: item.inode, remoteId: item.remoteId, until, why };
    this.#remember(row);
    try {
      await this.#patch(row.remoteId, until, call);
    } catch (error) {
      // If the reply was lost, the file may be checked out: tidying then checks it in.
      if ((error as Failure).code !== 'reply-lost') {
        if (before) this.#remember(before);
        else this.forget(item.inode);
      }
      throw error;
    }
  }

  #soon(): void {
    if (this.#own.size === 0 || this.#cancelTidying || this.#stop.signal.aborted) return;
    this.#cancelTidying = this.#options.outbox.clock.after(TIDY_DELAY_MS, () => {
      this.#cancelTidying = undefined;
      this.#tidying = this.#tidy().catch((error: unknown) =>
        this.#options.log.error({ error }, 'check-outs could not be tidied up; the next change tries again'),
      );
    });
  }

  /** Checks in files that a program had open and that are no longer needed. */
  async #tidy(): Promise<void> {
    const { log } = this.#options;
    for (const { inode, until, why } of [...this.#own.values()]) {
      const release = async (): Promise<void> => {
        if (!this.#isNeeded(inode)) await this.#giveBack(inode, { class: 'background', signal: this.#stop.signal });
      };
      if (until <= this.#now()) this.forget(inode);
      else if (why === 'open' && !this.#isNeeded(inode))
        await this.#inTurn(inode, release).catch((error: unknown) => {
          if (!this.#stop.signal.aborted)
            log.warn({ error, inode }, 'a check-out could not be released; it is tried again');
        });
      if (this.#stop.signal.aborted) return;
    }
  }

  async #patch(id: RemoteId, until: number | null, call: CallOptions): Promise<void> {
    const { writes, project, store } = this.#options;
    const { item, serverTime } = await writes.updateFile(project, id, { checkedOutUntil: until }, call);
    await store.ingestItems([item], serverTime);
  }

  #now(): number {
    return Math.floor(this.#options.outbox.clock.now() / 1000);
  }

  #remember(row: OwnCheckout): void {
    this.#options.outbox.intents.refersTo(row.inode);
    this.#put(row);
    this.#own.set(row.inode, row);
  }
}
