import type { Clock } from '../../base/clock.js';
import type { RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import { json, Table } from '../../database/table.js';
import type { Item } from '../../mirror/database/view.js';
import type { Digests } from '../../procore/own-versions.js';
import { cleanedName } from '../upload/cleaned-name.js';

/** A call without a visible effect that the server may still finish. */
export interface LateCall {
  /** Milliseconds since the epoch by this machine's clock; no two are the same. */
  readonly at: number;
  /** Id of the job that sent it, whose next run goes on from what it made; else `PEOPLE`. */
  readonly job: string;
  /** The file that was to get a version, or the item that was to be deleted; 0: a file was to be created. */
  readonly remoteId: RemoteId;
  readonly parentId: RemoteId;
  /** As at the server. */
  readonly name: string;
  /**
   * The call's result comes after the version with this number or, for a file to be created, after the file with this
   * id; 0: unknown or none.
   */
  readonly baseNumber: number;
  readonly digests: Digests;
  /** It was to delete the item: server time of the check before, seconds. */
  readonly removal?: { readonly time: number } | undefined;
}

const lateCallTable = new Table<LateCall>('late_calls', {
  at: 'at',
  job: 'job',
  remoteId: 'remote_id',
  parentId: 'parent_id',
  name: 'name',
  baseNumber: 'base_number',
  digests: json('digests'),
  removal: json('removal'),
});

/**
 * Whether a version with this number, or a file with this id, may be the result of a call. Earlier ones are not ours.
 */
export const mayBeOf =
  (made: number) =>
  ({ baseNumber }: LateCall): boolean =>
    made > baseNumber;

/** The `job` of calls that send users' changes. */
export const PEOPLE = '';

/** How long a server may take to finish a call that it answered with an error: milliseconds, more than an hour. */
const LATEST_MS = 2 * 3_600_000;

/** Calls that may still take effect. Recorded in the database, since the effect may come after a restart. */
export class LateCalls {
  readonly #clock: Clock;
  readonly #put: (call: LateCall) => void;
  readonly #delete: Statement<[number]>;
  readonly #lastPoll: () => number | undefined;
  readonly #calls = new Map<number, LateCall>();
  /** By `at`: the last polls since the call was found overdue. */
  readonly #overdue = new Map<number, Set<number | undefined>>();

  /** @param lastPoll server time of the last poll that was processed to its end */
  constructor(database: Database, clock: Clock, lastPoll: () => number | undefined) {
    this.#clock = clock;
    this.#lastPoll = lastPoll;
    this.#put = lateCallTable.insert(database, 'OR REPLACE');
    this.#delete = database.prepare('DELETE FROM late_calls WHERE at = ?');
    for (const call of lateCallTable.select(database).all()) this.#calls.set(call.at, call);
  }

  get size(): number {
    return this.#calls.size;
  }

  /** `at` is `since`, or the next time that no other call has. */
  add(call: Omit<LateCall, 'at'>, since = this.#clock.now()): LateCall {
    let at = Math.floor(since);
    while (this.#calls.has(at)) at++;
    const added = { ...call, at };
    this.#put(added);
    this.#calls.set(at, added);
    return added;
  }

  /** Records a deletion without a reply. */
  addRemoval({ remoteId, parentId, remoteName: name }: Item, time: number): void {
    this.add({ job: PEOPLE, remoteId, parentId, name, baseNumber: 0, digests: [], removal: { time } });
  }

  /** Calls that were to create a file at a place, by any sender, or by one job or `PEOPLE`. */
  creations(parentId: RemoteId, name: string, job?: string): LateCall[] {
    const isThere = (one: LateCall): boolean =>
      one.remoteId === 0 && one.parentId === parentId && cleanedName(one.name) === cleanedName(name);
    return this.all().filter((one) => isThere(one) && (job === undefined || one.job === job));
  }

  /** Calls that were to add a version to a file, by any sender, or by one job or `PEOPLE`. */
  versions(id: RemoteId, job?: string): LateCall[] {
    const isOfFile = (one: LateCall): boolean => one.remoteId === id && !one.removal;
    return this.all().filter((one) => isOfFile(one) && (job === undefined || one.job === job));
  }

  /** Deletions of an item, one entry per call. */
  removals(id: RemoteId): LateCall[] {
    return this.all().filter((one) => one.remoteId === id && one.removal);
  }

  /** Oldest first. */
  all(): LateCall[] {
    for (const one of this.#calls.values()) if (this.#isOver(one)) this.forget(one);
    return [...this.#calls.values()];
  }

  /** A later call has created the current state: what these calls still create comes after that. */
  passed(calls: readonly LateCall[], after: number): void {
    for (const one of calls) {
      this.#calls.delete(one.at);
      this.add({ ...one, baseNumber: after }, one.at);
    }
  }

  /** As `passed`: this file was created where users' calls were to create one. */
  passedBy({ id, parentId, name }: { id: RemoteId; parentId: RemoteId; name: string }): void {
    this.passed(this.creations(parentId, name, PEOPLE), id);
  }

  forget({ at }: LateCall): void {
    this.#delete.run(at);
    this.#calls.delete(at);
    this.#overdue.delete(at);
  }

  /** The call's time is over, and a poll began and ended since: this machine may have been asleep in between. */
  #isOver({ at }: LateCall): boolean {
    // The clock may have been set in between: a call that seems to lie in the future is kept.
    if (this.#clock.now() - at <= LATEST_MS) return false;
    const polls = this.#overdue.get(at) ?? new Set();
    this.#overdue.set(at, polls.add(this.#lastPoll()));
    // One may have been under way.
    return polls.size > 2;
  }
}
