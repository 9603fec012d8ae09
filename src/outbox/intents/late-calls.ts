import type { Clock } from '../../base/clock.js';
import type { RemoteId, VersionId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import type { Item } from '../../mirror/database/view.js';
import { type Digests, sizeOfDigests } from '../../procore/own-versions.js';
import { cleanedName } from '../upload/cleaned-name.js';

/** A call that brought nothing about as far as one could see, and that the server may finish yet. */
export interface LateCall {
  /** Milliseconds since the epoch by this machine's clock; no two are the same. */
  readonly at: number;
  /** Id of the job that sent it, which looks itself, and again when it runs the next time; else `PEOPLE`. */
  readonly job: string;
  /** The file that was to get a version, or the item that was to go; 0: a file was to be made. */
  readonly remoteId: RemoteId;
  readonly parentId: RemoteId;
  /** Of the server. */
  readonly name: string;
  /**
   * What it makes comes after the version of this number, or of a file that was to be made, after the file of this id;
   * 0: not known, or there was none.
   */
  readonly baseNumber: number;
  readonly digests: Digests;
  readonly removal?: LateRemoval | undefined;
}

/** A deletion that was sent. */
export interface LateRemoval {
  /** Server time of the look before it, seconds. */
  readonly time: number;
  /** What was seen of a file by who deleted it. */
  readonly version: VersionId;
}

/** Whether this may be what a call has made: a version of this number, a file of this id. Earlier ones others have made. */
export const mayBeOf =
  (made: number) =>
  ({ baseNumber }: LateCall): boolean =>
    made > baseNumber;

/** What goes up is what people changed here. */
export const PEOPLE = '';

/** No version has it, so none that goes is the one that was to go. */
const UNWANTED = -1 as VersionId;

/** How long a server may take to finish what it has answered with an error: milliseconds, more than an hour. */
const LATEST_MS = 2 * 3_600_000;
/** How long what a poll shows may take to be looked at, with all pauses in between: milliseconds. */
const LOOKED_AT_MS = 15 * 60_000;

/** Calls that may have an effect yet. Written down: the effect may come after a restart. */
export class LateCalls {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #put: Statement<[number, string, number, number, string, number, string, string | null]>;
  readonly #delete: Statement<[number]>;
  readonly #lastPoll: () => number | undefined;
  readonly #calls = new Map<number, LateCall>();
  /** By `at`: when its time was found to be over, on the clock that never jumps, and the last poll before that. */
  readonly #overdue = new Map<number, { readonly since: number; readonly poll: number | undefined }>();

  /** @param lastPoll server time of the last poll that was taken in to its end */
  constructor(database: Database, clock: Clock, lastPoll: () => number | undefined) {
    this.#database = database;
    this.#clock = clock;
    this.#lastPoll = lastPoll;
    this.#put = database.prepare(
      `INSERT OR REPLACE INTO late_calls (at, job, remote_id, parent_id, name, base_number, digests, removal)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = database.prepare('DELETE FROM late_calls WHERE at = ?');
    const rows = this.#database.prepare<
      [],
      {
        at: number;
        job: string;
        remote_id: number;
        parent_id: number;
        name: string;
        base_number: number;
        digests: string;
        removal: string | null;
      }
    >('SELECT * FROM late_calls');
    for (const { at, job, remote_id, parent_id, name, base_number, digests, removal } of rows.iterate())
      this.#calls.set(at, {
        at,
        job,
        remoteId: remote_id as RemoteId,
        parentId: parent_id as RemoteId,
        name,
        baseNumber: base_number,
        digests: JSON.parse(digests) as Digests,
        removal: removal === null ? undefined : (JSON.parse(removal) as LateRemoval),
      });
  }

  get size(): number {
    return this.#calls.size;
  }

  /** `at` is now, or what nobody else has. */
  add(call: Omit<LateCall, 'at'>, since = this.#clock.now()): LateCall {
    let at = Math.floor(since);
    while (this.#calls.has(at)) at++;
    const { job, remoteId, parentId, name, baseNumber, digests, removal } = call;
    const going = removal ? JSON.stringify(removal) : null;
    this.#put.run(at, job, remoteId, parentId, name, baseNumber, JSON.stringify(digests), going);
    const added = { ...call, at };
    this.#calls.set(at, added);
    return added;
  }

  /** A deletion without a reply. */
  addRemoval({ remoteId, parentId, remoteName: name }: Item, removal: LateRemoval): void {
    this.add({ job: PEOPLE, remoteId, parentId, name, baseNumber: 0, digests: [], removal });
  }

  /** Nobody wants these deletions of a file any more: whatever they take is to come back. */
  giveUpRemovals(id: RemoteId): void {
    for (const one of this.removals(id)) {
      this.forget(one);
      if (one.removal) this.add({ ...one, removal: { ...one.removal, version: UNWANTED } });
    }
  }

  /** Files that were to be made at a place, by anybody, or by a job or `PEOPLE`. */
  creations(parentId: RemoteId, name: string, job?: string): LateCall[] {
    const isThere = (one: LateCall): boolean =>
      one.remoteId === 0 && one.parentId === parentId && cleanedName(one.name) === cleanedName(name);
    return this.#all().filter((one) => isThere(one) && (job === undefined || one.job === job));
  }

  /** Versions that a job, or `PEOPLE`, were to make of a file: nobody else has seen what they are made from. */
  versions(id: RemoteId, job: string): LateCall[] {
    return this.#all().filter((one) => one.remoteId === id && one.job === job && !one.removal);
  }

  /** Versions that people were to make, of which the one that the file has now may be one. */
  versionsLike({ remoteId, versionNumber, size }: Pick<Item, 'remoteId' | 'versionNumber' | 'size'>): LateCall[] {
    const calls = this.versions(remoteId, PEOPLE).filter(mayBeOf(versionNumber));
    return calls.filter(({ digests }) => sizeOfDigests(digests) === size);
  }

  /** All versions that a job was to make. */
  ofJob(job: string): LateCall[] {
    return this.#all().filter((one) => one.remoteId !== 0 && one.job === job && !one.removal);
  }

  /** Deletions of an item, each call by itself. */
  removals(id: RemoteId): LateCall[] {
    return this.#all().filter((one) => one.remoteId === id && one.removal);
  }

  /** The oldest first. */
  all(): LateCall[] {
    return this.#all();
  }

  /** A later call has made what counts now: what these may make yet comes after that. */
  passed(calls: readonly LateCall[], after: number): void {
    for (const one of calls) {
      this.#calls.delete(one.at);
      this.add({ ...one, baseNumber: after }, one.at);
    }
  }

  /** As `passed`: this file was made where people's calls were to make one. */
  passedBy({ id, parentId, name }: { id: RemoteId; parentId: RemoteId; name: string }): void {
    this.passed(this.creations(parentId, name, PEOPLE), id);
  }

  forget({ at }: LateCall): void {
    this.#delete.run(at);
    this.#calls.delete(at);
    this.#overdue.delete(at);
  }

  #all(): LateCall[] {
    for (const one of this.#calls.values()) if (this.#isOver(one)) this.forget(one);
    return [...this.#calls.values()];
  }

  /** Its time is over, and what a poll has shown since was looked at: this machine may have been asleep in between. */
  #isOver({ at }: LateCall): boolean {
    // A clock that was set in between proves nothing: what seems to come from the future is kept.
    if (this.#clock.now() - at <= LATEST_MS) return false;
    const [poll, now] = [this.#lastPoll(), this.#clock.monotonic()];
    const overdue = this.#overdue.get(at) ?? { since: now, poll };
    this.#overdue.set(at, overdue);
    return now - overdue.since > LOOKED_AT_MS && poll !== overdue.poll;
  }
}
