import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, Failure, isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Job, Ways } from '../definition/job-schema.js';
import type { Execution } from '../store/executions.js';
import type { JobStore } from '../store/job-store.js';
import type { Notice, NoticeKind } from './notice.js';
import { type Means, sendNotice } from './send.js';

export interface NotifierOptions {
  /** Folder with a file for each notice that was sent. The processes of the state folder share it. */
  readonly folder: string;
  readonly store: JobStore;
  /** Ways that get every notice, from the configuration. */
  readonly everybody: () => Ways | undefined;
  /** Means for the ways of jobs; the ways of the configuration may post to any host. */
  readonly means: Means;
  readonly log: Log;
}

/** Kinds of notices that come from a check of the whole state; they are cleared when the condition ends. */
export const LOOKED_FOR = ['stale', 'waiting', 'signed-out', 'old-outbox', 'held', 'needs-person', 'refused'] as const;

/** Sends notices about conditions that need a person: once, and again only if the condition had ended in between. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #sending = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: NotifierOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  /**
   * Sends the notice for a run that has ended; a run that is not complete gets none. Errors are only logged, since the
   * run itself is over.
   */
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

  /** Takes the result of a check of the whole state: sends new notices, and clears those whose condition has ended. */
  found(notices: readonly Notice[]): void {
    const current = new Set(notices.map(({ kind, subject }) => fileOf(kind, subject)));
    for (const file of this.#known()) if (!current.has(file)) rmSync(join(this.#options.folder, file), { force: true });
    for (const notice of notices) this.#tell(notice);
  }

  /** Resolves when every notice is sent or has failed. */
  async settled(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  async close(limit = 15_000): Promise<void> {
    const cancel = this.#options.store.clock.after(limit, () => this.#stop.abort(new Failure('interrupted')));
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
    const { log, everybody, means, store } = this.#options;
    const own = everybody();
    let failures = 0;
    for (const ways of all)
      for (const failure of await sendNotice(ways, notice, ways === own ? { ...means, hosts: undefined } : means, {
        signal: this.#stop.signal,
        clock: store.clock,
      })) {
        failures++;
        log.warn({ error: failure, event: notice.kind }, 'somebody could not be told');
      }
    // No way succeeded: the next occurrence tries again.
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

  /** Whether this process is to send the notice: true in one process only. */
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
