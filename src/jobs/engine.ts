import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import { type FileLock, tryLock } from '../base/lock.js';
import { ranSince } from '../base/process.js';
import type { Job } from './definition/job-schema.js';
import type { ExecutionStatus } from './definition/words.js';
import { callsOfBoth } from './endpoint.js';
import type { EngineOptions } from './engine-options.js';
import { requireFitting } from './fitness.js';
import { type Ends, openEnds } from './open-ends.js';
import type { Claim } from './opener.js';
import { type EndpointLocations, requireApart } from './overlap.js';
import { writeReport } from './report/report.js';
import { HEALTH_AFTER, STATUS_AFTER } from './run/after.js';
import { waitFor } from './run/away.js';
import { Run, type RunOutcome } from './run/execution.js';
import { kindOf } from './run/waiting.js';
import { intervalOf, latestEnd, nextRun } from './schedule/next-run.js';
import { counted, stopReason } from './schedule/stop-policy.js';
import type { Execution } from './store/executions.js';
import type { JobStore, RunOptions } from './store/job-store.js';
import { SourceStates } from './store/source-states.js';

export const RESETS = ['stats', 'soft', 'hard', 'full'] as const;
export type Reset = (typeof RESETS)[number];

const CHECK_INTERVAL_MS = 1000;
const DEFAULT_PARALLEL = 2;

/**
 * Runs the jobs of a state folder. Each daemon has an engine. The engine that holds the lock is the leader: it handles
 * schedules and requests. When the leader's process ends, the kernel frees the lock for another engine.
 */
export class JobEngine {
  readonly store: JobStore;
  readonly #options: EngineOptions;
  readonly #clock: Clock;
  readonly #runs = new Map<string, { readonly run: Run | undefined; readonly done: Promise<Execution> }>();
  readonly #stop = new AbortController();
  readonly #sources = new SourceStates();
  #lock: FileLock | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.store = options.store;
    this.#clock = options.clock ?? systemClock;
  }

  /** Limit of simultaneous runs. */
  get parallel(): number {
    return this.#options.parallel ?? DEFAULT_PARALLEL;
  }

  get isLeader(): boolean {
    return this.#lock !== undefined;
  }

  /** Tries to become the leader. A new leader ends the runs that dead processes left behind. */
  lead(): boolean {
    this.#lock ??= tryLock(join(this.#options.folder, 'lock'));
    if (this.#lock) this.#recover();
    return this.#lock !== undefined;
  }

  /** Starts handling requests, and schedules as soon as this engine is the leader. */
  start(): void {
    this.#loop ??= this.#attend(this.#stop.signal, () => {
      if (this.lead()) this.#tick();
      this.#obey();
    });
  }

  /** @throws Failure `job-overlaps`, `job-refused`, `no-such-job` in `names_from` */
  async check(name: string, transfer: Job['transfer']): Promise<void> {
    const places = await this.#places(transfer);
    requireFitting(transfer, places.source.abilities, places.destination.abilities);
    if (transfer.names_from !== undefined) this.store.get(transfer.names_from);
    const others: { job: Job; places: EndpointLocations }[] = [];
    for (const job of this.store.list()) {
      try {
        others.push({ job, places: await this.#places(job.transfer) });
      } catch (error) {
        // A job whose connection is gone cannot run, so nothing overlaps with it.
        if (!isFailure(error)) throw error;
      }
    }
    requireApart(name, transfer, places, others);
  }

  /** Runs a job in this process. Resolves when the run has ended. @throws Failure `job-running`, `no-such-job` */
  run(id: string, trigger: Execution['trigger'], options: RunOptions = {}): Promise<Execution> {
    const job = this.store.get(id);
    if (this.#runs.has(job.id)) throw new Failure('job-running', { name: job.name });
    // A command that runs a job without `start` handles the requests for this job only.
    const ended = new AbortController();
    if (!this.#loop) void this.#attend(ended.signal, () => this.#obey(true));
    const holder: { run: Run | undefined; done: Promise<Execution> } = {
      run: undefined,
      done: this.#execute(job, trigger, options, (run) => {
        holder.run = run;
      }).finally(() => {
        ended.abort();
        this.#runs.delete(job.id);
      }),
    };
    this.#runs.set(job.id, holder);
    return holder.done;
  }

  /** Cancels a run of this process. */
  cancel(id: string): void {
    this.#runs.get(id)?.run?.cancel();
  }

  /** Interrupts all runs, so that the next leader continues them, and releases the lock. */
  async close(): Promise<void> {
    this.#stop.abort(new Failure('interrupted'));
    for (const { run } of this.#runs.values()) run?.interrupt();
    await Promise.allSettled([...this.#runs.values()].map(({ done }) => done));
    await this.#loop;
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** Repeats `work` until the signal aborts. A paused run does not keep the process alive. */
  async #attend(signal: AbortSignal, work: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        work();
      } catch (error) {
        this.#options.log.error({ error }, 'the jobs could not be looked after; it is tried again');
      }
      await this.#clock.sleep(CHECK_INTERVAL_MS, signal).catch(() => undefined);
    }
  }

  /**
   * Ends the runs whose process is gone and, unless a job is paused, asks for a new run that does what is left. Not
   * every run belongs to the leader: a job of a project that another process owns runs in that process.
   */
  #recover(): void {
    for (const execution of this.store.running()) {
      if (execution.pid === process.pid ? this.#runs.has(execution.job) : ranSince(execution.pid, execution.started))
        continue;
      this.store.update(execution.id, {
        status: 'not_complete',
        phase: 'complete',
        ended: this.#clock.now(),
        reason: 'the process that ran it ended',
      });
      if (!this.#isPaused(execution.job)) {
        this.store.setState(execution.job, { status: 'not-complete' });
        this.#askAgain(execution);
      }
    }
  }

  /** Requests a run that does what another run left, with the trigger of that run. */
  #askAgain({ job, simulation, trigger }: Execution): void {
    if (!simulation) this.store.ask(job, 'start', { trigger });
  }

  #isPaused(id: string): boolean {
    return this.store.get(id).status === 'paused';
  }

  #tick(): void {
    const now = this.#clock.now();
    for (const job of this.store.list().sort((a, b) => b.priority - a.priority)) {
      if (this.#runs.has(job.id) || job.disabled || job.status === 'complete') continue;
      const due = this.#due(job, now);
      if (job.execute_on !== (due === undefined ? undefined : Math.floor(due / 1000)))
        this.store.setState(job.id, { executeOn: due ?? null });
      if (due === undefined || due > now || job.status === 'paused') continue;
      if (this.#runs.size < this.parallel) this.#begin(job, 'schedule', {});
    }
  }

  #due(job: Job, now: number): number | undefined {
    const last = this.store.last.of(job.id, 'real');
    return nextRun(job.schedule, {
      now,
      createdOn: job.created_on * 1000,
      runs: job.counts.executions,
      ...(last
        ? {
            previous: {
              start: last.started,
              end: last.ended ?? now,
              status: last.status,
              again: last.stats.again && last.stats.again - (last.stats.planned ?? 0),
            },
          }
        : {}),
    });
  }

  /**
   * Carries out the requests of people. Each engine handles the requests for its own runs; the leader handles all
   * others.
   */
  #obey(onlyOwn = false): void {
    for (const job of this.store.list()) {
      const held = this.#runs.get(job.id);
      // The run is just starting, or belongs to another process, which handles its requests.
      if (held ? !held.run : onlyOwn || !this.#lock) continue;
      const asked = this.store.takeRequest(job.id);
      if (!asked) continue;
      const { request, options } = asked;
      if (request === 'start' && !held) this.#begin(job, options.trigger ?? 'manual', options);
      else if (request === 'cancel') {
        held?.run?.cancel();
        this.store.setState(job.id, { status: held ? 'cancelling' : 'idle' });
      } else if (request === 'pause') {
        held?.run?.pause();
        this.store.setState(job.id, { status: 'paused' });
      } else if (request === 'resume') {
        held?.run?.resume();
        this.store.setState(job.id, { status: held ? 'running' : 'idle' });
        const last = this.store.last.of(job.id, 'any');
        // The process of the run ended while the run was paused.
        const isLeft = !held && last?.status === 'not_complete' && last.stats.again === undefined;
        if (isLeft) this.#begin(job, last.trigger, {});
      }
    }
  }

  #begin(job: Job, trigger: Execution['trigger'], options: RunOptions): void {
    this.run(job.id, trigger, options).catch((error: unknown) =>
      this.#options.log.error({ error, job: job.name }, 'a job could not be run'),
    );
  }

  async #execute(
    job: Job,
    trigger: Execution['trigger'],
    options: RunOptions,
    started: (run: Run) => void,
  ): Promise<Execution> {
    const { store, log, opener } = this.#options;
    let refused: unknown;
    let claim: Claim | undefined;
    try {
      claim = await opener.claim?.(job, trigger, options, this.#stop.signal);
      if (opener.claim && !claim) return store.last.of(job.id, 'any')!;
    } catch (error) {
      refused = error;
    }
    const simulation = options.simulate ?? job.transfer.simulation_mode;
    const waiting = trigger === 'schedule' && !simulation ? this.#waiting(job) : undefined;
    const execution = waiting
      ? store.reopen(waiting.id)
      : store.begin(job.id, trigger, simulation, this.#clock.now(), options.allowDeletions);
    store.setState(job.id, { status: 'running' });
    if (trigger === 'schedule') this.#keepUp(job);
    const sourceState = this.#sourceState(job, simulation);
    if (trigger === 'schedule' && this.#sources.isUnchanged(job.id, sourceState, execution.started)) {
      await claim?.release();
      store.update(execution.id, { status: 'no_changes', phase: 'complete', ended: this.#clock.now() });
      this.#settle(job, store.execution(execution.id)!, 'no_changes', SourceStates.reason);
      return store.execution(execution.id)!;
    }
    let ends: Ends | undefined;
    let status: ExecutionStatus;
    let reason: string | undefined;
    try {
      if (refused) throw refused;
      await this.check(job.name, job.transfer);
      ends = await openEnds(job, execution, this.#options, this.#stop.signal);
      const { source, destination } = ends;
      const run = new Run({
        job,
        execution,
        store,
        source,
        destination,
        allowDeletions: options.allowDeletions ?? false,
        until: latestEnd(job.schedule, this.#clock.now()),
        log,
        clock: this.#clock,
        ...(this.#options.patience ? { patience: this.#options.patience } : {}),
      });
      started(run);
      const outcome = await run.go();
      ({ status, reason } = outcome);
      const ended = { ended: this.#clock.now(), calls: callsOfBoth(source, destination) };
      const report = await this.#report(job, { ...store.execution(execution.id)!, ...ended }, outcome);
      // One update: a reader that sees the end of the run also finds its report.
      store.update(execution.id, { status, phase: 'complete', ...ended, stats: { ...outcome.stats, ...report } });
    } catch (error) {
      const failure = isFailure(error) ? error : new Failure('internal', {}, error);
      const now = this.#clock.now();
      const isEnding = this.#stop.signal.aborted;
      const isAway = !isEnding && !simulation && trigger === 'schedule' && kindOf(failure) === 'gone';
      if (!isAway) log.error({ error, job: job.name }, 'a job could not start');
      status = isEnding || isAway ? 'not_complete' : 'failed_to_start';
      reason = failure.line;
      const stats = isAway ? { stats: waitFor(execution.stats.away, now, false) } : {};
      store.update(execution.id, { status, phase: 'complete', ended: now, ...stats });
    } finally {
      await ends?.close();
      await claim?.release();
    }
    this.#sources.note(job.id, sourceState, store.execution(execution.id)!);
    this.#settle(job, store.execution(execution.id)!, status, reason);
    return store.execution(execution.id)!;
  }

  /** Writes the report and returns its place. An error, such as a full disk, is only logged: the run itself is done. */
  async #report(job: Job, execution: Execution, outcome: RunOutcome): Promise<{ report?: string }> {
    try {
      return {
        report: await writeReport(join(this.#options.folder, 'reports'), this.#options.store, job, execution, outcome),
      };
    } catch (error) {
      this.#options.log.error({ error, job: job.name }, 'the report of a run could not be written');
      return {};
    }
  }

  /** The last run, if it waits for an unreachable endpoint and has not made its plan. */
  #waiting(job: Job): Execution | undefined {
    const last = this.store.last.of(job.id, 'real');
    return last?.status === 'not_complete' && last.stats.away?.began === false ? last : undefined;
  }

  /** Tells the opener how often the job reads its endpoints. */
  #keepUp(job: Job): void {
    const seconds = intervalOf(job.schedule);
    try {
      if (seconds !== undefined) this.#options.opener.looksEvery?.(job, seconds);
    } catch (error) {
      // The run reports the same failure.
      if (!isFailure(error)) throw error;
    }
  }

  #sourceState(job: Job, simulation: boolean): string | undefined {
    try {
      return simulation ? undefined : this.#options.opener.sourceState?.(job);
    } catch (error) {
      // The run reports the same failure.
      if (!isFailure(error)) throw error;
      return undefined;
    }
  }

  /** Updates the job after a run: its status, health, counts and next run. */
  #settle(job: Job, execution: Execution, status: ExecutionStatus, reason: string | undefined): void {
    const { store } = this.#options;
    const now = this.#clock.now();
    // This process is shutting down: the next leader continues the run at once.
    const isPaused = this.#isPaused(job.id);
    if (this.#stop.signal.aborted && status === 'not_complete' && !isPaused) this.#askAgain(execution);
    const { away, pending = 0 } = execution.stats;
    // A run that still waits for an endpoint before its plan does not count yet.
    if (!execution.simulation && away?.began !== false) store.count(job.id, counted(status));
    const after = store.get(job.id);
    const stop = execution.simulation ? undefined : stopReason(after.stop_policy, after.counts);
    const isDone =
      stop !== undefined ||
      (after.schedule.mode === 'ad-hoc' &&
        !execution.simulation &&
        status !== 'not_complete' &&
        status !== 'failed_to_start');
    const due = isDone ? undefined : this.#due(after, now);
    const next = due === undefined ? '' : `; next run ${new Date(due).toTimeString().slice(0, 5)}`;
    if (status === 'not_complete')
      reason = `${away && pending === 0 ? 'it waits' : `${pending} items left`}: ${reason ?? 'it was interrupted'}${next}`;
    store.update(execution.id, { ...(reason === undefined ? {} : { reason }) });
    store.setState(job.id, {
      status: isDone ? 'complete' : isPaused && status === 'not_complete' ? 'paused' : STATUS_AFTER[status],
      health: away ? 'unavailable' : HEALTH_AFTER[status],
      executeOn: due ?? null,
    });
    this.#forgetReports(store.retire(job.id, now - after.retention.days * 86_400_000));
    this.#options.log.info({ job: job.name, status, stats: execution.stats }, stop ?? reason ?? 'a run of a job ended');
    this.#options.ended?.(store.get(job.id), store.execution(execution.id)!);
  }

  async #places({ source, destination }: Job['transfer']): Promise<EndpointLocations> {
    const { opener } = this.#options;
    return { source: await opener.place(source), destination: await opener.place(destination) };
  }

  /** Deletes a job with its runs, records and reports. @throws Failure `job-running` */
  remove(id: string): void {
    const job = this.store.atRest(id);
    this.#forgetReports(this.store.executions(job.id).map(({ id }) => id));
    this.store.remove(job.id);
  }

  /**
   * Resets the history of a job. `stats`: the counts of the stop policy, so that a complete job runs again · `soft`:
   * also the list of ignored items · `hard`: also the records, so that the next run compares everything · `full`: also
   * the runs and their reports.
   * @throws Failure `job-running`
   */
  reset(id: string, how: Reset): Job {
    const job = this.store.atRest(id);
    this.store.resetCounts(job.id);
    const records = this.store.records(job.id);
    if (how !== 'stats') records.heedAll();
    if (how === 'hard' || how === 'full') records.clear();
    if (how === 'full') this.#forgetReports(this.store.forgetRuns(job.id));
    this.store.setState(job.id, { status: 'idle', health: 'healthy' });
    return this.store.get(job.id);
  }

  #forgetReports(executions: readonly number[]): void {
    for (const id of executions)
      rmSync(join(this.#options.folder, 'reports', String(id)), { recursive: true, force: true });
  }
}
