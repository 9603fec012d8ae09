import { setMaxListeners } from 'node:events';
import { pauseAfter } from '../../base/backoff.js';
import { type Clock, every, systemClock } from '../../base/clock.js';
import { Failure, isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Job } from '../definition/job-schema.js';
import { changesSource } from '../definition/transfer-schema.js';
import type { ExecutionStatus, ItemStatus } from '../definition/words.js';
import { callsOfBoth, type Endpoint } from '../endpoint.js';
import { type Estimate, emptyEstimate } from '../plan/cost.js';
import { Planner } from '../plan/planner.js';
import { SeenItems } from '../plan/seen-items.js';
import type { Execution, ExecutionStats } from '../store/executions.js';
import type { RunItem, RunItems } from '../store/items.js';
import type { JobStore } from '../store/job-store.js';
import { FolderRecords, type Records } from '../store/records.js';
import { act } from './act.js';
import { type EventLevel, LEVEL_OF, RunAudit } from './audit.js';
import { waitFor } from './away.js';
import type { ActContext, Result } from './context.js';
import { Counts } from './counts.js';
import { foretold } from './foretold.js';
import { GUARDED_MS, reasonToHold } from './guard.js';
import { limiter } from './limits.js';
import { PendingItems, Settling } from './pool.js';
import { RunResults } from './results.js';
import { AwayEndpoint, Gate, kindOf, type Patience } from './waiting.js';

export interface RunContext {
  readonly job: Job;
  readonly execution: Execution;
  readonly store: JobStore;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly allowDeletions: boolean;
  /** Time at which the run must end, milliseconds since the epoch. */
  readonly until: number | undefined;
  readonly log: Log;
  readonly clock?: Clock;
  readonly patience?: Patience;
}

export interface RunOutcome {
  readonly status: ExecutionStatus;
  readonly reason: string | undefined;
  readonly stats: ExecutionStats;
  readonly estimate: Estimate;
}

/** Interval at which results are written to the database, milliseconds. */
const FLUSH_INTERVAL_MS = 200;
const RETRY = { first: 500 };

/**
 * One run of a job: plan, delete guard, execution, counts. It can be paused and cancelled; the next run continues what
 * it left.
 */
export class Run {
  readonly #context: RunContext;
  readonly #clock: Clock;
  readonly #records: Records;
  readonly #items: RunItems;
  readonly #audit: RunAudit;
  readonly #gate = new Gate();
  readonly #cancel = new AbortController();
  readonly #stop = new AbortController();
  readonly #results: RunResults;
  readonly #counts = new Counts();
  readonly #absence: AwayEndpoint;
  #estimate = emptyEstimate();
  #seen = new SeenItems();
  #ended: { readonly status: ExecutionStatus; readonly reason: string } | undefined;
  #again: number | undefined;
  /** An endpoint was unreachable. */
  #isAway = false;
  /** The run began to plan: both endpoints were reachable. */
  #began = false;
  /** How long the plan took, milliseconds. */
  #planned = 0;

  constructor(context: RunContext) {
    this.#context = context;
    this.#clock = context.clock ?? systemClock;
    this.#records = context.store.records(context.job.id);
    this.#items = context.store.items(context.execution.id);
    const { source, destination, job, log, patience, store, execution } = context;
    const noteRun = (): void =>
      store.update(execution.id, { stats: this.stats, calls: callsOfBoth(source, destination) });
    this.#results = new RunResults(this.#items, this.#records, noteRun, log);
    const look = async (one: AbortSignal): Promise<void> => {
      await source.stat('', one);
      await destination.stat('', one);
    };
    this.#absence = new AwayEndpoint(look, this.#clock, log, job.name, patience);
    this.#audit = new RunAudit(context.store, context.execution, context.job.transfer.audit_level);
  }

  get isPaused(): boolean {
    return !this.#gate.isOpen;
  }

  pause(): void {
    this.#gate.close();
  }

  resume(): void {
    this.#gate.open();
  }

  cancel(): void {
    this.#cancel.abort(new Failure('interrupted'));
    this.#gate.open();
  }

  /** Like `cancel`, but because this process is ending: the next leader continues the job. */
  interrupt(): void {
    if (!this.#cancel.signal.aborted) this.#end('not_complete', 'the process that ran it ended');
    this.cancel();
  }

  /** Never rejects: the outcome says why the run ended. */
  async go(): Promise<RunOutcome> {
    const { execution, store, job, log } = this.#context;
    const signal = AbortSignal.any([this.#cancel.signal, this.#stop.signal]);
    // Every file transfer adds a listener.
    setMaxListeners(0, signal);
    let phase: 'start' | 'plan' | 'do' = 'start';
    this.#audit.run('info', 'begin');
    try {
      await this.#prepare(signal);
      phase = 'plan';
      this.#began = true;
      store.update(execution.id, { phase: 'changes' });
      const began = this.#clock.now();
      await this.#plan(signal);
      this.#planned = this.#clock.now() - began;
      this.#audit.plan();
      if (!execution.simulation) {
        phase = 'start';
        await this.#requireWritable(signal);
        phase = 'do';
        store.update(execution.id, { phase: 'executing' });
        await this.#untilCalls(signal);
        await this.#execute(signal);
        await this.#finish(signal);
      }
    } catch (error) {
      this.#results.flush();
      if (this.#cancel.signal.aborted) this.#end('cancelled', 'it was cancelled');
      else if (!this.#ended) {
        const failure = isFailure(error) ? error : new Failure('internal', {}, error);
        log.error({ error, job: job.name }, 'a run of a job failed');
        this.#endBy(failure, phase === 'start' ? 'failed_to_start' : 'failed');
      }
    }
    const outcome = this.#outcome();
    this.#audit.run(
      outcome.status === 'failed' || outcome.status === 'failed_to_start' ? 'error' : 'info',
      outcome.status,
      outcome.reason,
    );
    return outcome;
  }

  get stats(): ExecutionStats {
    const { source, destination } = this.#context;
    const limits = ({ callsAgainAt }: Endpoint): number =>
      Number(this.#again !== undefined && callsAgainAt !== undefined);
    return this.#counts.stats(this.#estimate, { source: limits(source), destination: limits(destination) });
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    const { source, destination, execution } = this.#context;
    await source.refresh(signal);
    await destination.refresh(signal);
    const root = await source.stat('', signal);
    if (!root?.folder) throw new Failure('job-source-missing', { path: source.root });
    if (execution.simulation || (await destination.stat('', signal)) !== undefined) return;
    await requireWritable(destination, signal);
    await destination.mkdir('', signal);
  }

  async #plan(signal: AbortSignal): Promise<void> {
    const { job, source, destination, store, execution, allowDeletions } = this.#context;
    const { transfer } = job;
    const planner = new Planner({
      transfer,
      source,
      destination,
      records: this.#records,
      items: this.#items,
      original: transfer.names_from === undefined ? undefined : store.records(store.get(transfer.names_from).id),
      dry: execution.simulation,
      signal,
      progress: (estimate) => {
        this.#estimate = estimate;
      },
    });
    this.#estimate = await planner.run();
    this.#seen = planner.seen;
    const before = store.executions(job.id, 2).find(({ id }) => id < execution.id);
    if (before?.status === 'not_complete') this.#items.putFirst(before.id);
    // A job with `failure_policy: halt` does not start a run whose plan already has a flagged item.
    const flagged = transfer.failure_policy === 'halt' && !execution.simulation && this.#items.firstFlagged();
    if (flagged) this.#end('failed', flagged);
    const { deletions, unchanged } = this.#estimate;
    const guard = transfer.delete_guard;
    const known = (): number => this.#records.count;
    const lately = (): number => store.deletedSince(job.id, this.#clock.now() - GUARDED_MS);
    const reason = reasonToHold({ deletions, unchanged, known, empty: planner.empty, guard, lately });
    if (!allowDeletions && reason !== undefined) {
      const { line } = new Failure('job-source-shrunken', { count: deletions, reason });
      this.#items.holdDeletions(line);
      this.#estimate.problems += deletions;
      this.#estimate.items -= deletions;
      this.#context.log.warn({ job: job.name, deletions }, line);
    }
  }

  /** Checks write access once, before the first item would fail for lack of it. */
  async #requireWritable(signal: AbortSignal): Promise<void> {
    if (this.#estimate.items === 0) return;
    const { source, destination, job } = this.#context;
    for (const endpoint of changesSource(job.transfer) ? [destination, source] : [destination])
      await requireWritable(endpoint, signal);
  }

  /**
   * A scheduled run that continues after the hourly limit may make its plan before the limit resets. It waits here
   * until it has calls again, since execution spends them.
   */
  async #untilCalls(signal: AbortSignal): Promise<void> {
    const { store, job, execution } = this.#context;
    const before = store.executions(job.id, 2).find(({ id }) => id < execution.id);
    if (execution.trigger !== 'schedule' || before?.status !== 'not_complete') return;
    const { again = 0, planned = 0 } = before.stats;
    const wait = Math.min(again - this.#clock.now(), planned);
    if (wait > 0) await this.#clock.sleep(wait, signal);
  }

  async #execute(signal: AbortSignal): Promise<void> {
    const { job, destination } = this.#context;
    const { requested, max } = job.transfer.performance.parallel_writes;
    const context = this.#actContext();
    const pending = new PendingItems(this.#items);
    let rank = 0;
    let held: ReturnType<PendingItems['next']>;
    const endFlushing = every(this.#clock, FLUSH_INTERVAL_MS, () => this.#results.tryToFlush());
    try {
      // First all content. Then deletions, one at a time, so that a folder is empty when its turn comes.
      for (const workers of [Math.min(requested, max, Math.max(1, destination.rules.parallelWrites)), 1]) {
        const last = workers === 1 && rank > 1 ? 2 : 1;
        const settling = new Settling();
        const work = async (): Promise<void> => {
          for (;;) {
            await this.#gate.pass(signal);
            if (this.#ended) return;
            const item = held ?? pending.next();
            held = undefined;
            if (!item) return;
            if (item.rank > last) {
              held = item;
              rank = item.rank;
              return;
            }
            await settling.begin((go) => {
              const arrived = (): void => {
                this.#counts.arrived(item);
                go();
              };
              return this.#one(item, { ...context, arrived }, signal);
            });
          }
        };
        await Promise.all(Array.from({ length: workers }, work)).finally(() => settling.end());
        signal.throwIfAborted();
        this.#results.flush();
        rank = 2;
      }
    } finally {
      endFlushing();
      this.#results.flush();
    }
    if (this.#ended) this.#stop.abort(new Failure('interrupted'));
  }

  async #one(item: RunItem, context: ActContext, signal: AbortSignal): Promise<void> {
    const { job, until } = this.#context;
    const { retries } = job.transfer.performance;
    let again = false;
    this.#counts.begin(item);
    for (let attempts = 1; ; attempts++, again = true) {
      if (until !== undefined && this.#clock.now() > until) {
        this.#end('not_complete', 'the longest duration of a run is over');
        return;
      }
      try {
        this.#took(item, await act(item, { ...context, again }, signal), attempts);
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        const failure = isFailure(error) ? error : new Failure('internal', {}, error);
        const kind = kindOf(failure);
        if (kind === 'final') {
          this.#endBy(failure, 'failed');
          return;
        }
        if (kind === 'gone') {
          await this.#absence.wait(signal).catch((cause: unknown) => {
            if (signal.aborted) return;
            this.#isAway = true;
            this.#end('not_complete', isFailure(cause) ? cause.line : 'one end of the transfer is gone');
          });
          if (this.#ended) return;
          attempts--;
          continue;
        }
        if (kind === 'again' && attempts <= retries) {
          this.#audit.item('trace', item, failure.line);
          await this.#clock.sleep(pauseAfter(attempts, RETRY), signal);
          continue;
        }
        const status: ItemStatus =
          failure.code === 'item-changed' || failure.code === 'target-changed' ? 'retry' : 'remediation';
        this.#took(item, { status, reason: failure.line, bytes: 0 }, attempts, status === 'retry' ? 'warn' : 'error');
        if (status === 'remediation' && job.transfer.failure_policy === 'halt') this.#end('failed', failure.line);
        return;
      }
    }
  }

  #took(item: RunItem, result: Result, attempts: number, level: EventLevel = LEVEL_OF[result.status]): void {
    this.#counts.add(item, result);
    if (result.status === 'remediation')
      this.#context.log.warn({ job: this.#context.job.name, item: item.id }, result.reason ?? 'an item was flagged');
    this.#audit.item(level, item, result.reason);
    this.#results.add(item, result, attempts);
  }

  #actContext(): ActContext {
    const { source, destination, job } = this.#context;
    const known = new FolderRecords(this.#records);
    const day = new Date(this.#clock.now()).toISOString().slice(0, 10);
    const { trash_days: days } = job.transfer;
    return {
      job: job.id,
      transfer: job.transfer,
      source,
      destination,
      recordOf: (item) => known.get(item),
      recordsIn: (folder) => this.#records.ofFolder(folder),
      note: (record) => known.put(record),
      isPlanned: (item) => this.#seen.has(item),
      trash: days > 0 ? { day, days, job: job.id, by: `the job "${job.name}"` } : undefined,
      now: () => new Date(this.#clock.now()),
      progress: () => undefined,
      folders: new Set(),
      limited: limiter(job.transfer.performance, this.#clock, job.schedule.time_zone),
    };
  }

  #end(status: ExecutionStatus, reason: string): void {
    this.#ended ??= { status, reason };
  }

  #endBy(failure: Failure, status: ExecutionStatus): void {
    if (failure.code === 'budget-exhausted') {
      const { source, destination } = this.#context;
      this.#again ??= Math.max(source.callsAgainAt ?? 0, destination.callsAgainAt ?? 0);
      this.#end('not_complete', 'hourly limit');
    } else if (
      this.#context.execution.trigger === 'schedule' &&
      !this.#context.execution.simulation &&
      kindOf(failure) === 'gone'
    ) {
      this.#isAway = true;
      this.#end('not_complete', failure.line);
    } else this.#end(status, failure.line);
  }

  async #finish(signal: AbortSignal): Promise<void> {
    const { source, destination, job, store, execution } = this.#context;
    store.update(execution.id, { phase: 'finalize' });
    const today = new Date(this.#clock.now()).toISOString().slice(0, 10);
    // The trash of an endpoint that the job does not write to is not touched.
    for (const endpoint of changesSource(job.transfer) ? [source, destination] : [destination])
      try {
        for (const emptied of await endpoint.emptyTrash({ today, days: job.transfer.trash_days }, signal))
          this.#audit.emptied(endpoint.root, emptied, (id) => store.nameOf(id));
      } catch (error) {
        if (signal.aborted) throw error;
        this.#context.log.warn({ error, job: job.name }, 'old trash could not be removed');
      }
  }

  #outcome(): RunOutcome {
    const { execution, job, source, destination } = this.#context;
    const stats = this.stats;
    const pending = this.#items.left;
    const changed = (stats.copied ?? 0) + (stats.deleted ?? 0) + (stats.folders ?? 0);
    const status: ExecutionStatus =
      this.#ended?.status ??
      ((stats.failed ?? 0) > 0 ? 'warn' : changed === 0 && !execution.simulation ? 'no_changes' : 'completed');
    return {
      status,
      reason: this.#ended?.reason,
      stats: {
        ...stats,
        ...(execution.simulation ? { estimate: foretold(this.#estimate, job, [source, destination]) } : {}),
        ...(this.#again && { again: this.#again, planned: this.#planned }),
        ...(this.#isAway ? waitFor(execution.stats.away, this.#clock.now(), this.#began) : {}),
        pending,
        progress: this.#ended ? (stats.progress ?? 0) : 1,
      },
      estimate: this.#estimate,
    };
  }
}

async function requireWritable(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
  const { writable, why } = await endpoint.test(signal);
  if (!writable) throw new Failure('target-denied', { target: endpoint.root, path: 'writing', why });
}
