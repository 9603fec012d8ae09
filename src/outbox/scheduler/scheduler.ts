import { setMaxListeners } from 'node:events';
import { Condition } from '../../base/condition.js';
import { diskFailure } from '../../base/disk.js';
import { Failure } from '../../base/errors.js';
import type { Inode } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { isStepOn } from '../intents/attempt.js';
import { isNothing } from '../intents/changes.js';
import { hasFailed, type Intent, NO_REMOTE } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import type { SendingRules } from '../sending-rules.js';
import { afterFailure, consequenceOf, FIRST_RETRY, isPublished } from '../upload/publish.js';
import type { Sender } from '../upload/sender.js';
import { Alarm } from './alarm.js';
import { DELETE_GUARD_REASON, DeleteGuard } from './delete-guard.js';
import { DeleteGuardRecord } from './delete-guard-record.js';
import { coveredBy, orderOf, violation } from './order.js';
import { PendingChanges } from './pending-changes.js';
import { Readiness } from './readiness.js';
import { ReadyQueue } from './ready-queue.js';
import { Refusals } from './refusals.js';

export interface SchedulerOptions {
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly rules: SendingRules;
  /** How long a name that looks like a transfer temporary waits for its rename, milliseconds. */
  readonly temporary: number;
  /** Number of intents sent at once. */
  readonly parallel: number;
  readonly log: Log;
}

/** Pause after the outbox could not be written, and length of a tick, milliseconds. */
const DISK_PAUSE_MS = 5000;
const TICK = 20;
/** Changes less than a tick apart are processed together, at most this many milliseconds after the first. */
const BURST = 1000;
/** Interval at which all intents are examined again, changed or not, milliseconds. */
const SWEEP_MS = 60_000;
/** Longest wait of `drain` and `publish` for the next completion, milliseconds. */
const LONGEST_WAIT_MS = 500;
/** Milliseconds that `drain` waits for the kernel's FUSE_RELEASE of a file that a program has already closed. */
const RELEASE_COMES_MS = 1000;

/** Sends the intents in an order that the server can apply, and retries each until the server has it. */
export class Scheduler {
  readonly refusals: Refusals;
  readonly #options: SchedulerOptions;
  readonly #deleteGuard: DeleteGuard;
  readonly #readiness: Readiness;
  readonly #prospects: PendingChanges;
  readonly #stop = new AbortController();
  readonly #underWay = new Map<Inode, Promise<void>>();
  readonly #queue = new ReadyQueue();
  /** Told when a send ends. */
  readonly #sent = new Condition();
  readonly #alarm: Alarm;
  readonly #onChange = (): void => this.#changed();
  #burstEnd = 0;
  #sweepAt = 0;
  /** The error of the last write to the outbox, if it failed. */
  #diskError: unknown;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.outbox.clock, () => this.#awake());
    this.#deleteGuard = new DeleteGuard(
      options.rules.holdAfter,
      new DeleteGuardRecord(options.outbox.intents.database, options.log),
    );
    this.refusals = new Refusals(options.outbox);
    const { outbox, rules, sender, temporary } = options;
    const delays = { settle: rules.settle, deletion: rules.deleteDelay, temporary, retry: FIRST_RETRY };
    this.#readiness = new Readiness(outbox, delays, this.refusals);
    const { refusals } = this;
    const isUnderWay = (inode: Inode): boolean => this.#underWay.has(inode);
    this.#prospects = new PendingChanges({
      outbox,
      readiness: this.#readiness,
      refusals,
      attempts: sender.attempts,
      isUnderWay,
    });
    // Each call in progress adds a listener.
    setMaxListeners(0, this.#stop.signal);
  }

  start(): void {
    this.#options.outbox.events.on('changed', this.#onChange);
    this.#wake(0);
  }

  /** The delete guard holds deletions and overwrites. */
  get isGuardOn(): boolean {
    return this.#readiness.isGuardOn;
  }

  isUnderWay(inode: Inode): boolean {
    return this.#underWay.has(inode);
  }

  /**
   * Sends all intents that can be sent, without settle times, and retries temporary failures until the only intents
   * left wait for a user. Names that look like transfer temporaries wait a few seconds for their rename. Resolves with
   * the remaining intents. Aborting ends only the wait. Without `isPatient` it also ends when the connection or the
   * account cannot be used now.
   * @throws the error for which the outbox could not be written
   */
  async drain(signal: AbortSignal, { isPatient = true } = {}): Promise<Intent[]> {
    const { intents, clock } = this.#options.outbox;
    const began = clock.monotonic();
    this.#prospects.resume();
    this.refusals.tryNow();
    this.#readiness.setDraining(1);
    try {
      for (;;) {
        this.#diskError = undefined;
        this.#tick();
        if (this.#underWay.size === 0) {
          const left = [...intents.all()].filter((intent) => intent.state !== 'local');
          const isClosing = clock.monotonic() - began < RELEASE_COMES_MS && left.some(this.#readiness.isClosing);
          if (!isClosing && !this.#prospects.areThere(left, began, isPatient)) return left;
        }
        await this.#sent.nextWithin(LONGEST_WAIT_MS, clock, signal);
        signal.throwIfAborted();
        if (this.#diskError !== undefined) throw this.#diskError;
      }
    } finally {
      this.#readiness.setDraining(-1);
      this.#wake(0);
    }
  }

  /**
   * Sends the acknowledged content of one item now, even if the item is still open, after the changes that must precede
   * it. Resolves when the server has it; at once for names that stay local or wait for their rename.
   * @throws Failure `not-published` with the reason why it cannot be sent
   */
  async publish(inode: Inode, signal: AbortSignal): Promise<void> {
    const { outbox } = this.#options;
    const { clock } = outbox;
    const chain = [inode];
    for (let at = outbox.intents.get(inode); at; at = outbox.intents.get(at.here.parent)) chain.push(at.here.parent);
    this.#readiness.setUrgent(chain, 1);
    this.#again(chain);
    try {
      for (;;) {
        this.#tick();
        const intent = outbox.intents.get(inode);
        if (!intent || intent.deleted || isNothing(intent)) return;
        if (!isPublished(outbox.names.kind(intent.here.name, intent.folder))) return;
        const why = this.#prospects.obstacle(chain);
        if (why !== undefined) {
          const failure = new Failure('not-published', { path: outbox.tree.pathOf(intent.here), why });
          this.#options.log.warn({}, failure.line);
          throw failure;
        }
        await this.#sent.nextWithin(LONGEST_WAIT_MS, clock, signal);
        if (signal.aborted) throw new Failure('interrupted');
      }
    } finally {
      this.#readiness.setUrgent(chain, -1);
    }
  }

  /** Retries these intents now, at a user's request. */
  retry(inodes: readonly Inode[]): void {
    for (const inode of inodes) {
      const intent = this.#options.outbox.intents.get(inode);
      if (intent) this.refusals.forget(intent);
    }
    this.#again(inodes);
    this.#wake(0);
  }

  #again(inodes: readonly Inode[]): void {
    const { intents } = this.#options.outbox;
    for (const inode of inodes) {
      const intent = intents.get(inode);
      if (intent && hasFailed(intent)) intents.put({ ...intent, state: 'held', changedAt: 0 });
    }
  }

  /** Ends a pause: the server can be reached again. */
  resume(): void {
    this.#prospects.resume();
    this.#wake(0);
  }

  /** Releases intents at a user's request: neither the delete guard nor an earlier crash holds them any more. */
  release(inodes: readonly Inode[]): void {
    const { intents } = this.#options.outbox;
    const put = inodes.flatMap((inode) => {
      const intent = intents.get(inode);
      if (!intent) return [];
      const all = intent.deleted && intent.folder ? [intent, ...coveredBy(intent, this.#options.outbox)] : [intent];
      return all.map((one): Intent => {
        const content = { ...one.content, flushed: true };
        return { ...one, content, released: true, reason: undefined, changedAt: 0, state: 'held' };
      });
    });
    intents.change(put);
    this.#wake(0);
  }

  async close(): Promise<void> {
    this.#options.outbox.events.off('changed', this.#onChange);
    this.#alarm.clear();
    this.#stop.abort(new Failure('interrupted'));
    await Promise.allSettled(this.#underWay.values());
  }

  /** The delete guard must see all deletions of one command before the first is sent. */
  #changed(): void {
    const now = this.#options.outbox.clock.monotonic();
    if (this.#burstEnd === 0) this.#burstEnd = now + BURST;
    if (this.#underWay.size === 0) this.#alarm.clear();
    this.#wake(Math.min(TICK, Math.max(0, this.#burstEnd - now)));
  }

  #wake(ms: number): void {
    if (!this.#stop.signal.aborted) this.#alarm.set(ms);
  }

  #awake(): void {
    try {
      this.#tick();
    } catch (error) {
      this.#unwritable(error);
    }
  }

  #tick(): void {
    if (this.#stop.signal.aborted) return;
    this.#alarm.clear();
    this.#burstEnd = 0;
    const now = this.#options.outbox.clock.now();
    const { pausedUntil } = this.#prospects;
    if (now < pausedUntil) {
      this.#wake(pausedUntil - now);
      return;
    }
    this.#lookAtTouched(now);
    const { intents } = this.#options.outbox;
    while (this.#underWay.size < this.#options.parallel) {
      const inode = this.#queue.take(now);
      if (inode === undefined) break;
      const intent = intents.get(inode);
      if (!intent || this.#underWay.has(inode)) continue;
      // A program may have opened the file since.
      const at = this.#readiness.at(intent);
      if (at === undefined || at > now) this.#queue.set(inode, intent.since, at);
      else if (!this.#tryToBegin(intent)) return;
    }
    const isFree = this.#tryRefused(now);
    const probeAt = isFree ? this.refusals.nextAt : Number.POSITIVE_INFINITY;
    this.#wake(Math.max(TICK, Math.min(this.#queue.nextAt, probeAt, this.#sweepAt) - now));
  }

  /**
   * Retries refused changes, last of all since nobody waits for them. True when there was capacity for all that are
   * due.
   */
  #tryRefused(now: number): boolean {
    if (this.#underWay.size >= this.#options.parallel) return false;
    for (const intent of this.refusals.due(now, (one) => this.#prospects.canTry(one, now))) {
      if (!this.#tryToBegin(intent) || !this.#underWay.has(intent.inode)) this.refusals.ended(intent.inode);
      if (this.#underWay.size >= this.#options.parallel) return false;
    }
    return true;
  }

  /** Updates the queue for changed intents and for the intents that waited for them. */
  #lookAtTouched(now: number): void {
    const { intents } = this.#options.outbox;
    if (now >= this.#sweepAt) {
      this.#sweepAt = now + SWEEP_MS;
      intents.touchAll();
    }
    const touched = new Set(intents.takeTouched());
    for (const inode of touched) {
      for (const waiting of this.#queue.freedBy(inode)) touched.add(waiting);
      this.#deleteGuard.lookAt(inode, intents.get(inode));
    }
    if (this.#setGuard(this.#deleteGuard.isOn(now))) for (const { inode } of intents.all()) touched.add(inode);
    for (const inode of touched) {
      const intent = intents.get(inode);
      if (!intent) this.#readiness.forget(inode);
      const at = intent && !this.#underWay.has(inode) ? this.#readiness.at(intent) : undefined;
      this.#queue.set(inode, intent?.since ?? 0, at);
    }
  }

  /** False when the outbox cannot be written. */
  #tryToBegin(intent: Intent): boolean {
    try {
      this.#begin(intent);
      return true;
    } catch (error) {
      this.#options.outbox.intents.touch(intent.inode);
      this.#unwritable(error);
      return false;
    }
  }

  #begin(intent: Intent): void {
    const { outbox, sender } = this.#options;
    const awaited = sender.attempts.awaited(intent);
    const order = orderOf(intent, outbox);
    if (awaited !== undefined || order.kind === 'covered') {
      this.#queue.waitFor(awaited ?? intent.base.parent, intent.inode);
      return;
    }
    if (order.kind === 'keep-folder') {
      sender.deletions.keep(intent);
      return;
    }
    if (order.kind === 'after') {
      // A deletion that blocks another change is sent without its settle time. After a failure its retry pause still
      // applies.
      const first = order.inode === undefined ? undefined : outbox.intents.get(order.inode);
      this.#queue.waitFor(order.inode, intent.inode);
      if (!first?.deleted || first.inode === intent.inode || this.#underWay.has(first.inode)) return;
      const firstAt = this.#readiness.at(first);
      if (firstAt === undefined || (hasFailed(first) && firstAt > outbox.clock.now())) return;
      const outcome = sender.attempts.awaited(first);
      const before = outcome === undefined ? orderOf(first, outbox) : ({ kind: 'after', inode: outcome } as const);
      if (before.kind === 'go') this.#run(first, () => sender.send(first, this.#stop.signal));
      else if (before.kind === 'free-place') this.#run(first, () => sender.freePlace(first, this.#stop.signal));
      else if (before.kind === 'after') this.#queue.waitFor(before.inode, intent.inode);
      return;
    }
    const violated = intent.deleted ? undefined : violation(intent, outbox);
    if (violated) {
      this.#readiness.began(intent.inode);
      this.#failed(intent, violated);
    } else if (order.kind === 'free-place') this.#run(intent, () => sender.freePlace(intent, this.#stop.signal));
    else this.#run(intent, () => sender.send(intent, this.#stop.signal));
  }

  #run(intent: Intent, work: () => Promise<void>): void {
    const { outbox } = this.#options;
    this.#readiness.began(intent.inode);
    const covered = intent.deleted && intent.folder ? coveredBy(intent, outbox) : [];
    const running = work()
      .then(
        () => {
          const now = this.#options.outbox.clock.now();
          outbox.permissions.granted(intent.inode);
          outbox.permissions.granted(intent.here.parent);
          if (isStepOn(intent, outbox.intents.get(intent.inode))) this.#taken(intent);
          this.#deleteGuard.passed([intent, ...covered], now);
        },
        (error: unknown) => this.#failed(intent, error),
      )
      .catch((error: unknown) => this.#unwritable(error))
      .finally(() => {
        this.#underWay.delete(intent.inode);
        this.refusals.ended(intent.inode);
        outbox.intents.touch(intent.inode);
        this.#rests(intent.inode);
        this.#wake(0);
        this.#sent.changed();
      });
    this.#underWay.set(intent.inode, running);
  }

  /**
   * The server accepted the change. If it created a folder, earlier failures in it are forgotten: they concerned the
   * previous folder.
   */
  #taken(intent: Intent): void {
    this.refusals.taken(intent);
    if (!intent.folder || intent.remoteId !== NO_REMOTE) return;
    for (const { inode } of this.#options.outbox.intents.childrenOf(intent.inode)) this.#readiness.forget(inode);
  }

  /** A change made during a send has the state `uploading`; after the send it becomes `held`. */
  #rests(inode: Inode): void {
    const { intents } = this.#options.outbox;
    const now = intents.get(inode);
    if (now?.state !== 'uploading') return;
    try {
      intents.put({ ...now, state: 'held' });
    } catch (error) {
      this.#unwritable(error);
    }
  }

  /** The outbox cannot be written: no send begins until the disk has had time to recover. */
  #unwritable(error: unknown): void {
    this.#diskError = error;
    this.#prospects.pause(DISK_PAUSE_MS);
    this.#options.log.error({ error }, 'the outbox cannot be written; nothing goes up meanwhile');
    this.#wake(DISK_PAUSE_MS);
  }

  #failed(intent: Intent, error: unknown): void {
    const { outbox, log } = this.#options;
    if (this.#stop.signal.aborted) return;
    const known = diskFailure(error);
    const failure = known instanceof Failure ? known : new Failure('internal', {}, error);
    const consequence = consequenceOf(failure);
    this.#readiness.failed(intent.inode, consequence.needsSomebody === true);
    if (consequence.pause !== undefined) this.#prospects.pause(consequence.pause, consequence);
    if (failure.code === 'not-permitted')
      outbox.permissions.refused(intent.remoteId === NO_REMOTE ? intent.here.parent : intent.inode);
    const now = outbox.intents.get(intent.inode);
    if (consequence.refused === 'folder') this.refusals.refused(intent, now);
    if (!now || now.deleted !== intent.deleted) return;
    const level = known === failure ? failure.level : 'error';
    log[level === 'debug' ? 'info' : level](
      { error, path: outbox.tree.pathOf(now.here) },
      'a change did not reach the server; it stays in the outbox',
    );
    // If a user changed the item meanwhile, the failure does not apply. What the attempt itself recorded does not
    // count.
    if (now.state === 'open' || now.changedAt !== intent.changedAt) return;
    outbox.intents.put(afterFailure(now, failure, consequence, outbox.clock.now()));
  }

  /** True when the state changed. */
  #setGuard(on: boolean): boolean {
    if (on === this.#readiness.isGuardOn) return false;
    this.#readiness.isGuardOn = on;
    if (on)
      this.#options.log.error(
        { limit: this.#options.rules.holdAfter },
        `${DELETE_GUARD_REASON} (procorefs uploads release|discard)`,
      );
    return true;
  }
}
