import type { IncomingHttpHeaders } from 'node:http';
import { type Clock, systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { CallClass, CallOptions } from './calls.js';
import { rateHeaders } from './headers.js';
import { type CallsOfSlot, type GrantedCall, isAlive, Ledger } from './ledger.js';
import { CallQueue, type Waiter } from './queue.js';
import { type Facts, hourLimitOf, reserveOf } from './rules.js';
import { type BootClock, systemBoot } from './server-clock.js';
import { Throttle } from './throttle.js';
import { WINDOWS, type Windows } from './window-state.js';

/** Limit of calls an hour that no header can raise. */
export const HARD_CAP = 3600;

export interface BudgetOptions {
  /** The ledger's file; see `ledgerPath()`. */
  readonly path: string;
  readonly log: Log;
  /** Our own limit of calls an hour: leaves room for other programs with the same client id. */
  readonly maxCallsPerHour?: number;
  /** How long an interactive call waits before it is refused, ms; default 30,000. */
  readonly budgetWait?: number;
  readonly clock?: Clock;
  readonly boot?: BootClock;
  readonly windows?: Windows;
  readonly isAlive?: (pid: number, started: string) => boolean;
}

/** The right to send one request. It counts against the budget, whatever the outcome. */
export interface Permit {
  /** The head of the reply has arrived. */
  answered(status: number, headers: IncomingHttpHeaders): void;
  /** No reply is expected any more; has no effect after `answered`. */
  ended(): void;
}

export interface WindowStatus {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since the epoch, server time; undefined: not known. */
  readonly reset: number | undefined;
}

export interface BudgetStatus {
  readonly hour: WindowStatus;
  readonly spike: WindowStatus;
  /** Calls of the last hour by all processes of this client id on this host. */
  readonly spent: Readonly<Record<CallClass, number>>;
  readonly refused4xx: number;
  /** Calls that wait in this process. */
  readonly waiting: readonly { readonly class: CallClass; readonly label: string; readonly seconds: number }[];
}

/** Upkeep calls (checks for changes) take this part of an hour's limit at most … */
const UPKEEP_SHARE = 4;
/** … and this part where nobody watches. */
const IDLE_SHARE = 20;
/** Upkeep calls that may follow each other without a pause. */
const UPKEEP_BURST = 15;
/** Longest sleep, ms: another process may have recorded new facts meanwhile. */
const LONGEST_SLEEP_MS = 5000;
/** A wait for the hour up to this long is not a reason to fail: 2 s of an hour. */
const SHORT_WAIT = 1 / 1800;
/** Nor is a longer wait, if soon after it calls come back one by one: 90 s of an hour. */
const SOON = 1 / 40;

/**
 * Budgets the API calls of one client id: interactive calls first, then upkeep, then jobs. Covers both rate windows of
 * the server; all processes of this client on this host share it.
 */
export class Budget {
  readonly #options: BudgetOptions;
  readonly #clock: Clock;
  readonly #windows: Windows;
  readonly #ledger: Ledger;
  readonly #throttle: Throttle;
  readonly #cap: number;
  readonly #queue = new CallQueue<Permit>();
  readonly #granted = new Map<string, number>();
  #pumping = false;
  #closed = false;
  #wake: (() => void) | undefined;
  /** False while the pump sleeps for the spike window alone: no reply can shorten that. */
  #repliesMatter = true;
  #blockedUntil: number | undefined;

  /** @throws Failure `state-unwritable`, `database-damaged`, `database-newer` */
  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#windows = options.windows ?? WINDOWS;
    this.#cap = Math.max(1, Math.min(HARD_CAP, options.maxCallsPerHour ?? HARD_CAP));
    this.#ledger = new Ledger({
      path: options.path,
      limits: { windows: this.#windows, cap: this.#cap },
      clock: this.#clock,
      boot: options.boot ?? systemBoot,
      isAlive: options.isAlive ?? isAlive,
    });
    // A little longer than the server's window: requests sent evenly may arrive unevenly.
    this.#throttle = new Throttle(this.#windows.spike * 1.1, this.#clock);
  }

  /**
   * Waits for the right to send one request.
   * @throws Failure `budget-exhausted` when an interactive call has waited for `budgetWait`; the signal's reason
   */
  acquire(options: CallOptions, label: string): Promise<Permit> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (this.#closed) return Promise.reject(new Failure('interrupted'));
    return new Promise((resolve, reject) => {
      const end = new AbortController();
      const settled = (): void => {
        end.abort();
        options.signal?.removeEventListener('abort', aborted);
      };
      const waiter: Waiter<Permit> = {
        options,
        label,
        since: this.#clock.monotonic(),
        resolve: (permit) => {
          settled();
          resolve(permit);
        },
        reject: (reason) => {
          settled();
          reject(reason);
        },
      };
      const aborted = (): void => {
        if (this.#queue.remove(waiter)) waiter.reject(options.signal?.reason);
      };
      options.signal?.addEventListener('abort', aborted, { once: true });
      const isFirst = !this.#queue.classes().includes(options.class);
      this.#queue.add(waiter);
      if (!this.#pumping) void this.#pump();
      else if (isFirst) this.#signal();
      if (options.class === 'interactive') void this.#giveUp(waiter, end.signal);
    });
  }

  /** Calls that this process has made for a job. */
  callsOf(job: string): number {
    return this.#granted.get(job) ?? 0;
  }

  status(): BudgetStatus {
    const { state, facts, spent, refused4xx } = this.#ledger.status();
    const { limit, left: hourLeft } = this.#hourOf(facts);
    const spikeUsed = facts.spikeOwn + facts.spikeOthers;
    const hourReset = state.hourVisible ? state.hourReset : facts.oldestLeavesAt;
    const start = this.#clock.monotonic();
    return {
      hour: { limit, remaining: hourLeft, reset: seconds(hourReset) },
      spike: {
        limit: state.spikeLimit,
        remaining: Math.max(0, state.spikeLimit - spikeUsed),
        reset: seconds(spikeUsed > 0 ? facts.spikeFreeAt : undefined),
      },
      spent,
      refused4xx,
      waiting: [...this.#queue].map((waiter) => ({
        class: waiter.options.class,
        label: waiter.label,
        seconds: Math.round((start - waiter.since) / 1000),
      })),
    };
  }

  /** Calls granted in each quarter of an hour since `since`, by all processes; ms since the epoch, server time. */
  history(since: number): CallsOfSlot[] {
    return this.#ledger.history(since);
  }

  /** The limit of calls an hour, and the calls left of it as far as is known. */
  #hourOf({ now, state, lastCall, ownHour }: Facts): { readonly limit: number; readonly left: number } {
    const limit = hourLimitOf({ cap: this.#cap }, state);
    const described = state.hourVisible && now < state.hourReset ? state.bound - (lastCall - state.boundAfter) : limit;
    return { limit, left: Math.max(0, Math.min(limit - ownHour, described)) };
  }

  /**
   * When a job that was refused can make calls again, ms since the epoch: at the end of the hour, or shortly before it
   * where most of the interactive reserve is unused, so that the reserve is not lost. Where the end of the hour is
   * unknown: when the calls of an hour ago leave the window.
   */
  jobsAgainAt(): number {
    const facts = this.#ledger.facts();
    const { now, state } = facts;
    const { hour } = this.#windows;
    const isSeen = state.hourVisible && !state.sliding && state.hourReset > now;
    const end = isSeen ? state.hourReset : Math.max(now, facts.returnsAt ?? now + hour);
    const isMuchLeft = this.#hourOf(facts).left > reserveOf({ windows: this.#windows, cap: this.#cap }, state) / 2;
    const at = isMuchLeft && end - now > hour / 8 ? end - hour / 10 : end;
    return this.#clock.now() + at - now;
  }

  /**
   * Milliseconds until the next upkeep call may be sent, over all processes of this client id. Upkeep calls together
   * take at most a quarter of the hour's limit, and a twentieth where nobody watches. Saved calls are spent fast at
   * first, then at the rate at which they come back, so that there is never a long pause.
   */
  upkeepWait(isWatched: boolean): number {
    const { hour } = this.#windows;
    const share = Math.max(1, this.#ledger.limit / UPKEEP_SHARE);
    const burst = Math.min(UPKEEP_BURST, share / 2);
    const pace = hour / (share - burst);
    const { now, times } = this.#ledger.upkeep(hour);
    // Earlier calls do not count: the burst and the calls that come back in an hour are the whole share.
    let saved = burst;
    let last = now - hour;
    for (const at of times) {
      saved = Math.max(-burst, Math.min(burst, saved + (at - last) / pace) - 1);
      last = at;
    }
    saved = Math.min(burst, saved + (now - last) / pace);
    const apart = Math.min(1, 1 - saved / burst) ** 2 * pace;
    const idle = isWatched ? 0 : pace * (IDLE_SHARE / UPKEEP_SHARE);
    return Math.max(0, (1 - saved) * pace, last + Math.max(apart, idle) - now);
  }

  /** Rejects all waiting calls and closes the ledger. Granted permits may still report. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiter of [...this.#queue]) {
      this.#queue.remove(waiter);
      waiter.reject(new Failure('interrupted'));
    }
    this.#signal();
    this.#ledger.close();
  }

  /** Never rejects. */
  async #giveUp(waiter: Waiter<Permit>, settled: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(this.#options.budgetWait ?? 30_000, settled);
    } catch {
      return;
    }
    if (!this.#queue.remove(waiter)) return;
    try {
      waiter.reject(new Failure('budget-exhausted', { until: this.#until('interactive') }));
    } catch (error) {
      waiter.reject(error);
    }
  }

  #until(callClass: CallClass): string {
    const { decision, now } = this.#ledger.peek(callClass);
    if (decision.go || decision.until === undefined) return 'a reply comes';
    return new Date(this.#clock.now() + decision.until - now).toISOString();
  }

  /** Runs while calls wait. One call at a time passes the throttle; which one is decided only there. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#queue.size > 0 && !this.#closed) {
        const wait = this.#nextWait();
        if (wait === 0)
          await this.#throttle.run(
            this.#ledger.spikeLimit,
            () => this.#ledger.recentOwn(),
            () => this.#grant(),
          );
        else await this.#sleep(wait);
      }
    } catch (error) {
      for (const waiter of [...this.#queue]) {
        this.#queue.remove(waiter);
        waiter.reject(error);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Milliseconds until a waiting call may be sent; 0: now. */
  #nextWait(): number {
    let wait = LONGEST_SLEEP_MS;
    this.#repliesMatter = false;
    for (const callClass of this.#queue.classes()) {
      const { decision, now } = this.#ledger.peek(callClass);
      if (decision.go) return 0;
      if (decision.why !== 'spike') this.#repliesMatter = true;
      if (decision.until === undefined) continue;
      wait = Math.min(wait, Math.max(1, decision.until - now));
      if (decision.why === 'hour') {
        this.#announce(callClass, decision.until, now);
        const { hour } = this.#windows;
        const isLong = decision.until - now > SHORT_WAIT * hour;
        const impatient = isLong ? this.#impatient(callClass) : [];
        if (impatient.length > 0 && this.jobsAgainAt() - this.#clock.now() > SOON * hour)
          this.#turnAway(impatient, callClass);
      }
    }
    return wait;
  }

  #grant(): void {
    if (this.#closed) return;
    for (const callClass of this.#queue.classes()) {
      const entry = this.#ledger.take(callClass, this.#queue.first(callClass)?.options.upkeep === true);
      if ('go' in entry) continue;
      const waiter = this.#queue.next(callClass);
      if (waiter?.options.job !== undefined)
        this.#granted.set(waiter.options.job, this.callsOf(waiter.options.job) + 1);
      waiter?.resolve(this.#permit(entry));
      return;
    }
  }

  #permit(entry: GrantedCall): Permit {
    let open = true;
    return {
      answered: (status, headers) => {
        if (!open || this.#closed) return;
        open = false;
        this.#note(() => this.#ledger.answered(entry, status, rateHeaders(headers)));
        if (status === 429) this.#options.log.warn({ status }, 'the server refused a call: rate limit');
        if (this.#repliesMatter) this.#signal();
      },
      ended: () => {
        if (!open || this.#closed) return;
        open = false;
        this.#note(() => this.#ledger.ended(entry));
        if (this.#repliesMatter) this.#signal();
      },
    };
  }

  /**
   * The call was recorded before it was sent, so it counts; a failure to record its outcome must not turn a reply into
   * an error.
   */
  #note(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#options.log.warn({ error }, 'what came of a call could not be written down');
    }
  }

  /** Waiting calls that fail rather than wait for the next hour. */
  #impatient(callClass: CallClass): Waiter<Permit>[] {
    return [...this.#queue].filter(({ options }) => options.class === callClass && options.whenSpent === 'fail');
  }

  #turnAway(waiters: readonly Waiter<Permit>[], callClass: CallClass): void {
    for (const waiter of waiters)
      if (this.#queue.remove(waiter)) waiter.reject(new Failure('budget-exhausted', { until: this.#until(callClass) }));
  }

  /** Logs one line when the hour's calls are spent, with the end of the hour. */
  #announce(callClass: CallClass, until: number, now: number): void {
    if (
      until - now < LONGEST_SLEEP_MS ||
      (this.#blockedUntil !== undefined && Math.abs(until - this.#blockedUntil) < 60_000)
    )
      return;
    this.#blockedUntil = until;
    const local = new Date(this.#clock.now() + until - now).toISOString();
    const message = `the API calls of this hour are used up for ${callClass} calls until ${local}`;
    this.#options.log[callClass === 'interactive' ? 'warn' : 'info']({ until: local }, message);
  }

  async #sleep(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await this.#clock.sleep(ms, woken.signal);
    } catch {
      // Woken early: a call was queued or withdrawn, or a reply arrived.
    } finally {
      this.#wake = undefined;
    }
  }

  #signal(): void {
    this.#wake?.();
  }
}

const seconds = (ms: number | undefined): number | undefined => (ms ? Math.ceil(ms / 1000) : undefined);
