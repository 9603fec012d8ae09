import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.js';
import { errnoOf, Failure, isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Job, Ways } from '../definition/job-schema.js';
import type { Execution } from '../store/executions.js';
import type { JobStore } from '../store/job-store.js';
import type { Notice, NoticeKind } from './notice.js';
import { type Means, sendNotice } from './send.js';

export interface NotifierOptions {
  /** A file for each thing that people know of, shared by the processes of the state folder. */
  readonly folder: string;
  readonly store: JobStore;
  /** Who is told of everything, from the configuration. */
  readonly everybody: () => Ways | undefined;
  /** What jobs may use; the configuration's own ways may post anywhere. */
  readonly means: Means;
  readonly log: Log;
}

/** Kinds that a look at the whole finds, and that end by themselves. */
export const LOOKED_FOR = ['stale', 'waiting', 'signed-out', 'old-outbox', 'held', 'needs-person', 'refused'] as const;

/** Tells people what needs them: once, and again only after it was well in between. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #sending = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: NotifierOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  /** A run has ended. One that was cut says nothing. What goes wrong here is logged: the run has ended all the same. */
  ended(job: Job, execution: Execution): void {
    try {
      this.#ended(job, execution);
    } catch (error) {
      this.#options.log.error({ error, job: job.name }, 'nobody could be told how a run ended');
    }
  }

  #ended(job: Job, execution: Execution): void {
    if (execution.simulation || execution.status === 'cancelled' || execution.status === 'not_complete') return;
    const { stats, status, reason, id } = execution;
    const isFailed = status === 'failed' || status === 'failed_to_start';
    const kind = isFailed ? 'failed' : (stats.failed ?? 0) > 0 || status === 'warn' ? 'flagged' : undefined;
    for (const other of ['failed', 'flagged'] as const) if (other !== kind) this.#clear(other, job.id);
    if (!kind) return;
    const what = isFailed
      ? `the job "${job.name}" ended as ${status.replaceAll('_', ' ')}${reason === undefined ? '' : `: ${reason}`}`
      : `the job "${job.name}" has ${stats.failed ?? 0} items that need a person`;
    this.#tell({
      kind,
      subject: job.id,
      message: what,
      job: { id: job.id, name: job.name },
      execution: id,
      status,
      ...(stats.report === undefined ? {} : { report: stats.report }),
    });
  }

  /** What a look at the whole found: what is new is told, what is over is forgotten. */
  found(notices: readonly Notice[]): void {
    const current = new Set(notices.map(({ kind, subject }) => fileOf(kind, subject)));
    for (const file of this.#known()) if (!current.has(file)) rmSync(join(this.#options.folder, file), { force: true });
    for (const notice of notices) this.#tell(notice);
  }

  /** Resolves when everything that is to be told is on its way, or was given up. */
  async settled(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  async close(limit = 15_000): Promise<void> {
    const cancel = systemClock.after(limit, () => this.#stop.abort(new Failure('interrupted')));
    await this.settled();
    cancel();
  }

  #tell(notice: Notice): void {
    const all = this.#ways(notice);
    if (all.length === 0 || !this.#claim(notice)) return;
    const sending = this.#send(all, notice)
      .catch((error: unknown) =>
        this.#options.log.error({ error, event: notice.kind }, 'what was told could not be noted'),
      )
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #send(all: readonly Ways[], notice: Notice): Promise<void> {
    const { log, everybody, means } = this.#options;
    const own = everybody();
    let failures = 0;
    for (const ways of all)
      for (const failure of await sendNotice(
        ways,
        notice,
        ways === own ? { ...means, hosts: undefined } : means,
        this.#stop.signal,
      )) {
        failures++;
        log.warn({ error: failure, event: notice.kind }, 'somebody could not be told');
      }
    // Nobody knows: the next occasion tries again.
    if (failures >= all.reduce((sum, ways) => sum + Object.keys(ways).length, 0))
      this.#clear(notice.kind, notice.subject);
  }

  #ways({ job, connection }: Notice): Ways[] {
    const { store, everybody } = this.#options;
    const found: Ways[] = [];
    const add = (ways: Ways | undefined): void => {
      if (ways && !found.some((one) => JSON.stringify(one) === JSON.stringify(ways))) found.push(ways);
    };
    add(everybody());
    if (job) add(this.#job(job.id)?.notify);
    else if (connection !== undefined)
      for (const { notify, transfer } of store.list())
        if ([transfer.source, transfer.destination].some((end) => end.connection.id === connection)) add(notify);
    return found;
  }

  #job(id: string): Job | undefined {
    try {
      return this.#options.store.get(id);
    } catch (error) {
      if (isFailure(error, 'no-such-job')) return undefined;
      throw error;
    }
  }

  /** True for the one process that is to tell it. */
  #claim({ kind, subject }: Notice): boolean {
    try {
      writeFileSync(join(this.#options.folder, fileOf(kind, subject)), kind, { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  #clear(kind: NoticeKind, subject: string): void {
    rmSync(join(this.#options.folder, fileOf(kind, subject)), { force: true });
  }

  #known(): string[] {
    return readdirSync(this.#options.folder).filter((file) => {
      try {
        return (LOOKED_FOR as readonly string[]).includes(readFileSync(join(this.#options.folder, file), 'utf8'));
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return false;
        throw error;
      }
    });
  }
}

const fileOf = (kind: NoticeKind, subject: string): string =>
  createHash('sha256').update(`${kind} ${subject}`).digest('hex').slice(0, 32);
