import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, isFailure } from '../base/errors.js';
import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import { Brake, isBraked } from './brake.js';
import { isNothing } from './changes.js';
import { type Intent, NO_REMOTE } from './intent.js';
import { coveredBy, orderOf } from './order.js';
import type { Outbox } from './outbox.js';
import { type Delays, isPublished, readyAt } from './publish.js';
import type { Sender } from './sender.js';

export interface SchedulerOptions {
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly delays: Delays;
  /** Deletions and overwrites in ten minutes. */
  readonly holdAfter: number;
  /** Intents under way at once. */
  readonly parallel: number;
  readonly log: Log;
}

/** Failures that are about the line or the account, not about one item: everything waits, milliseconds. */
const PAUSES: Readonly<Record<string, number>> = {
  unreachable: 5000,
  'budget-exhausted': 5000,
  'signed-out': 60_000,
  'sign-in-refused': 60_000,
};
/** Milliseconds. */
const DISK_PAUSE = 5000;
/** Milliseconds that `drain` waits for the rename of what looks like a transfer temporary: programs rename at once. */
const DRAIN_TEMPORARY = 5000;
/** Changes that wait for each other in a row. */
const LONGEST_ORDER = 1000;
const TICK = 20;
const LONGEST_SLEEP = 60_000;
export const BRAKE_REASON = 'many deletions or overwrites at once: release or discard them';

/** Brings the intents to the server in an order that the server can follow, again and again until each is there. */
export class Scheduler {
  readonly #o: SchedulerOptions;
  readonly #brake: Brake;
  readonly #stop = new AbortController();
  readonly #underWay = new Map<Inode, Promise<void>>();
  /** Somebody waits for these, with how many do. */
  readonly #urgent = new Map<Inode, number>();
  readonly #onChange = (): void => this.#wake(TICK);
  #timer: NodeJS.Timeout | undefined;
  #pausedUntil = 0;
  /** Why the outbox could not be written the last time. */
  #diskError: unknown;
  #draining = 0;
  /** When the first of the drains under way began, milliseconds. */
  #drainBegan = 0;
  #braked = false;

  constructor(options: SchedulerOptions) {
    this.#o = options;
    this.#brake = new Brake(options.holdAfter);
    // Every call under way listens to it.
    setMaxListeners(0, this.#stop.signal);
  }

  start(): void {
    this.#o.outbox.events.on('changed', this.#onChange);
    this.#wake(0);
  }

  /** Mass deletion is being held. */
  get braked(): boolean {
    return this.#braked;
  }

  isUnderWay(inode: Inode): boolean {
    return this.#underWay.has(inode);
  }

  /**
   * Sends everything that can go, without waiting for settle times, until nothing is left or nothing can go any more;
   * names of files on their way to another one wait a few seconds for their rename.
   * Resolves with what is left; aborting only ends the waiting.
   *
   * @throws what the outbox could not be written for
   */
  async drain(signal: AbortSignal): Promise<Intent[]> {
    if (this.#draining++ === 0) this.#drainBegan = Date.now();
    const began = Date.now();
    try {
      for (;;) {
        this.#pausedUntil = 0;
        this.#diskError = undefined;
        this.#tick();
        const left = [...this.#o.outbox.intents.all()].filter((intent) => intent.state !== 'local');
        if (this.#underWay.size === 0 && !left.some((intent) => this.#canGo(intent, began))) return left;
        await Promise.race([...this.#underWay.values(), soon(signal)]);
        signal.throwIfAborted();
        if (this.#diskError !== undefined) throw this.#diskError;
      }
    } finally {
      this.#draining--;
    }
  }

  /**
   * Sends what is acknowledged of one item now, although it may still be open, and what must go before it. Resolves when
   * the server has it; at once for names that stay here or wait for their rename.
   * @throws Failure `not-published` with the reason why it cannot go
   */
  async publish(inode: Inode, signal: AbortSignal): Promise<void> {
    const { outbox } = this.#o;
    const chain = [inode];
    for (let at = outbox.intents.get(inode); at; at = outbox.intents.get(at.parent)) chain.push(at.parent);
    for (const one of chain) this.#urgent.set(one, (this.#urgent.get(one) ?? 0) + 1);
    this.retry(chain);
    try {
      for (;;) {
        this.#tick();
        const intent = outbox.intents.get(inode);
        if (
          !intent ||
          intent.deleted ||
          isNothing(intent) ||
          !isPublished(outbox.names.kind(intent.name, intent.folder))
        )
          return;
        const why = this.#obstacle(chain);
        if (why !== undefined) {
          const failure = new Failure('not-published', { path: outbox.tree.pathOf(intent), why });
          this.#o.log.warn({}, failure.line);
          throw failure;
        }
        await Promise.race([...this.#underWay.values(), soon(signal)]);
        if (signal.aborted) throw new Failure('interrupted');
      }
    } finally {
      for (const one of chain) {
        const left = (this.#urgent.get(one) ?? 1) - 1;
        if (left > 0) this.#urgent.set(one, left);
        else this.#urgent.delete(one);
      }
    }
  }

  /** Tries the intents again now. */
  retry(inodes: readonly Inode[]): void {
    const { intents } = this.#o.outbox;
    for (const inode of inodes) {
      const intent = intents.get(inode);
      if (intent?.state === 'failed') intents.put({ ...intent, state: 'held', changedAt: 0 });
    }
    this.#wake(0);
  }

  /** A person says that these may go: past the brake, and although a crash came in between. */
  release(inodes: readonly Inode[]): void {
    const { intents } = this.#o.outbox;
    const put = inodes.flatMap((inode) => {
      const intent = intents.get(inode);
      if (!intent) return [];
      const all = intent.deleted && intent.folder ? [intent, ...coveredBy(intent, this.#o.outbox)] : [intent];
      return all.map(
        (one): Intent => ({ ...one, released: true, flushed: true, reason: undefined, changedAt: 0, state: 'held' }),
      );
    });
    intents.change(put);
    this.#wake(0);
  }

  async close(): Promise<void> {
    this.#o.outbox.events.off('changed', this.#onChange);
    clearTimeout(this.#timer);
    this.#stop.abort(new Failure('interrupted'));
    await Promise.allSettled(this.#underWay.values());
  }

  #wake(ms: number): void {
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), ms);
    this.#timer.unref();
  }

  #tick(): void {
    if (this.#stop.signal.aborted) return;
    const now = Date.now();
    if (now < this.#pausedUntil) {
      this.#wake(this.#pausedUntil - now);
      return;
    }
    const { intents } = this.#o.outbox;
    this.#setBrake(this.#brake.isOn(intents.all(), now));
    let next = now + LONGEST_SLEEP;
    const ready: Intent[] = [];
    for (const intent of intents.all()) {
      const at = this.#readyAt(intent);
      if (at === undefined || this.#underWay.has(intent.inode)) continue;
      if (at > now) next = Math.min(next, at);
      else ready.push(intent);
    }
    ready.sort((a, b) => a.since - b.since || a.inode - b.inode);
    try {
      for (const intent of ready) {
        if (this.#underWay.size >= this.#o.parallel) break;
        this.#begin(intent);
      }
    } catch (error) {
      this.#unwritable(error);
    }
    this.#wake(Math.max(TICK, next - now));
  }

  /** When it may go by its own state; what stands before it in order is looked at in `#begin`. */
  #readyAt(intent: Intent): number | undefined {
    const { outbox, delays } = this.#o;
    if (this.#braked && isBraked(intent)) return undefined;
    const writers = outbox.working(intent.inode)?.writers ?? 0;
    const kind = outbox.names.kind(intent.name, intent.folder);
    if (this.#urgent.has(intent.inode)) return readyAt(intent, kind, 0, { settle: 0, deletion: 0, temporary: 0 });
    if (this.#draining === 0) return readyAt(intent, kind, writers, delays);
    const temporary = Math.min(delays.temporary, DRAIN_TEMPORARY);
    const at = readyAt(intent, kind, writers, { settle: 0, deletion: 0, temporary });
    // What failed before is tried at once, and what fails now has its usual pause.
    const isOld = intent.state === 'failed' && !hasFailedSince(intent, this.#drainBegan);
    return at !== undefined && isOld ? Math.min(at, Date.now()) : at;
  }

  /** Why an item that somebody waits for does not go up: of it, or of a folder above it. */
  #obstacle(chain: readonly Inode[]): string | undefined {
    if (this.#pausedUntil > Date.now()) return 'the server cannot be reached, or the calls of this hour are spent';
    for (const inode of chain) {
      const intent = this.#o.outbox.intents.get(inode);
      if (!intent || this.#underWay.has(inode)) continue;
      if (this.#braked && isBraked(intent)) return BRAKE_REASON;
      if (intent.state === 'failed' || intent.state === 'local') return intent.reason;
      if (this.#readyAt(intent) === undefined) return intent.reason;
    }
    return undefined;
  }

  /** Whether a drain that began at this time may still bring it up: it, and what must go before it. */
  #canGo(intent: Intent, began: number, steps = 0): boolean {
    if (this.#underWay.has(intent.inode)) return true;
    if (hasFailedSince(intent, began) || this.#readyAt(intent) === undefined || steps > LONGEST_ORDER) return false;
    const order = orderOf(intent, this.#o.outbox);
    if (order.kind !== 'after' && order.kind !== 'covered') return true;
    const inode = order.kind === 'after' ? order.inode : intent.baseParent;
    const first = inode === undefined ? undefined : this.#o.outbox.intents.get(inode);
    return first !== undefined && this.#canGo(first, began, steps + 1);
  }

  #begin(intent: Intent): void {
    const { outbox, sender, log } = this.#o;
    const order = orderOf(intent, outbox);
    if (order.kind === 'covered') return;
    if (order.kind === 'keep-folder') {
      log.warn({ path: outbox.tree.pathOf(intent) }, 'a folder is kept: somebody put something in it meanwhile');
      outbox.intents.change([], [intent.inode]);
      return;
    }
    if (order.kind === 'after') {
      // A deletion that stands in somebody's way does not wait any longer.
      const first = order.inode === undefined ? undefined : outbox.intents.get(order.inode);
      if (
        first?.deleted &&
        !this.#underWay.has(first.inode) &&
        this.#readyAt(first) !== undefined &&
        first.inode !== intent.inode
      )
        if (orderOf(first, outbox).kind === 'go') this.#run(first, () => sender.send(first, this.#stop.signal));
      return;
    }
    const violated = intent.deleted ? undefined : this.#violation(intent);
    if (violated) this.#failed(intent, violated);
    else if (order.kind === 'step-aside') this.#run(intent, () => sender.stepAside(intent, this.#stop.signal));
    else this.#run(intent, () => sender.send(intent, this.#stop.signal));
  }

  /** A local name may have been exempt when it was made; what is published must obey. */
  #violation(intent: Intent): Failure | undefined {
    if (intent.name === intent.baseName) return undefined;
    const { tree, names } = this.#o.outbox;
    const path = tree.pathOf(intent);
    const refusal = names.publishRefusal(path, intent.name);
    return refusal && new Failure('name-refused', { name: path, why: refusal.words });
  }

  #run(intent: Intent, work: () => Promise<void>): void {
    const { outbox } = this.#o;
    const covered = intent.deleted && intent.folder ? coveredBy(intent, outbox) : [];
    const running = work()
      .then(
        () => {
          const now = Date.now();
          outbox.permissions.granted(intent.inode);
          outbox.permissions.granted(intent.parent);
          this.#brake.passed(intent, now);
          for (const one of covered) this.#brake.passed(one, now);
          const gone = covered.filter((one) => outbox.intents.get(one.inode) === one);
          outbox.intents.change(
            [],
            gone.map((one) => one.inode),
          );
        },
        (error: unknown) => this.#failed(intent, error),
      )
      .catch((error: unknown) => this.#unwritable(error))
      .finally(() => {
        this.#underWay.delete(intent.inode);
        // What was set while it was under way carries the state of that.
        const now = outbox.intents.get(intent.inode);
        if (now?.state === 'uploading') outbox.intents.put({ ...now, state: 'held' });
        this.#wake(0);
      });
    this.#underWay.set(intent.inode, running);
  }

  /** What happened cannot be written down: nothing more is begun until the disk has had time to recover. */
  #unwritable(error: unknown): void {
    this.#diskError = error;
    this.#pausedUntil = Date.now() + DISK_PAUSE;
    this.#o.log.error({ error }, 'the outbox cannot be written; nothing goes up meanwhile');
  }

  #failed(intent: Intent, error: unknown): void {
    const { outbox, log } = this.#o;
    if (this.#stop.signal.aborted) return;
    const failure = error instanceof Failure ? error : new Failure('internal', {}, error);
    const pause = PAUSES[failure.code];
    if (pause !== undefined) this.#pausedUntil = Date.now() + pause;
    if (failure.code === 'not-permitted')
      outbox.permissions.refused(intent.remoteId === NO_REMOTE ? intent.parent : intent.inode);
    const now = outbox.intents.get(intent.inode);
    if (!now || now.deleted !== intent.deleted) return;
    const level = isFailure(error) ? failure.level : 'error';
    log[level === 'debug' ? 'info' : level](
      { error, path: outbox.tree.pathOf(now) },
      'a change did not reach the server; it stays in the outbox',
    );
    // A person changed it meanwhile; what the attempt itself noted down does not count.
    if (now.state === 'open' || now.changedAt !== intent.changedAt) return;
    outbox.intents.put({
      ...now,
      state: 'failed',
      reason: failure.line,
      ...(failure.code === 'upload-unknown' ? { upload: undefined } : {}),
      attempts: pause === undefined ? now.attempts + 1 : Math.max(1, now.attempts),
      changedAt: Date.now(),
    });
  }

  #setBrake(on: boolean): void {
    if (on && !this.#braked)
      this.#o.log.error({ limit: this.#o.holdAfter }, `${BRAKE_REASON} (procorefs uploads release|discard)`);
    this.#braked = on;
  }
}

const hasFailedSince = (intent: Intent, time: number): boolean => intent.state === 'failed' && intent.changedAt >= time;

/** Half a second, or until aborted. */
const soon = (signal: AbortSignal): Promise<void> => sleep(500, undefined, { signal }).catch(() => undefined);
