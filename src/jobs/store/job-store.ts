import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { type Clock, systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { type Database, openDatabase } from '../../database/open.js';
import { Column, json, OptionalGroup, Table } from '../../database/table.js';
import type { Job, JobBody } from '../definition/job-schema.js';
import type { EndpointReference } from '../definition/transfer-schema.js';
import type { ItemStatus, JobHealth, JobStatus } from '../definition/words.js';
import { type AuditEvent, type Execution, type ExecutionStats, executionTable } from './executions.js';
import { RunItems } from './items.js';
import { LastRuns } from './last-runs.js';
import { Pages } from './pages.js';
import { Records } from './records.js';
import { jobsDatabase } from './schema.js';
import { StoredUploads } from './stored-uploads.js';

export type JobRequest = 'start' | 'pause' | 'resume' | 'cancel';

/** Options of a run that is started by hand. */
export interface RunOptions {
  readonly simulate?: boolean;
  /** Deletions above the delete guard are carried out. */
  readonly allowDeletions?: boolean;
  /** For a run that continues another one: the trigger of that run. */
  readonly trigger?: 'schedule' | 'manual';
}

type JobContent = Omit<JobBody, 'category'>;

interface StoredJob extends Omit<Job, Exclude<keyof JobContent, 'name'>> {
  readonly body: JobContent;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
const jobTable = new Table<StoredJob>('jobs j LEFT JOIN categories c ON c.id = j.category', {
  body: json('body'),
  id: 'j.id',
  name: 'j.name',
  category: new OptionalGroup<NonNullable<Job['category']>>({ id: 'category', name: 'c.name' }),
  status: 'status',
  health: 'health',
  execute_on: new Column('execute_on', (ms: number | null) => (ms === null ? undefined : seconds(ms))),
  counts: { executions: 'executions', completions: 'completions', failures: 'failures' },
  created_by: 'created_by',
  created_on: new Column('created_on', seconds),
  modified_by: 'modified_by',
  modified_on: new Column('modified_on', seconds),
});
const toJob = ({ body, ...job }: StoredJob): Job => ({ ...body, ...job });

/** `jobs.db`. Several processes of one state folder may have it open at once. */
export class JobStore {
  readonly pages: Pages;
  readonly last: LastRuns;
  readonly #db: Database;
  readonly clock: Clock;

  /** @throws Failure `database-damaged`, `database-newer`, `state-unwritable` */
  constructor(path: string, clock: Clock = systemClock) {
    this.clock = clock;
    this.#db = openDatabase(path, jobsDatabase);
    this.pages = new Pages(this.#db);
    this.last = new LastRuns(this.#db);
  }

  /** @throws Failure `job-name-taken`, `no-such-category`, `job-refused` for a `parent_id` that names no job */
  add(body: JobBody, by = userInfo().username): Job {
    const { category, ...kept } = body;
    const now = this.clock.now();
    const id = randomUUID();
    const add = this.#db.transaction(() => {
      if (this.#db.prepare('SELECT 1 FROM jobs WHERE name = ?').get(body.name))
        throw new Failure('job-name-taken', { name: body.name });
      this.#requireParent(kept.parent_id);
      this.#db
        .prepare(
          `INSERT INTO jobs (id, name, body, category, status, health, created_by, created_on, modified_by, modified_on)
           VALUES (?, ?, ?, ?, 'idle', 'healthy', ?, ?, ?, ?)`,
        )
        .run(id, body.name, JSON.stringify(kept), this.#category(category), by, now, by, now);
    });
    add.immediate();
    return this.get(id);
  }

  /**
   * Replaces the definition of a job; its runs stay. Its records stay only if both endpoints do: at another place, an
   * item that was not copied there yet would look like one that was deleted there.
   * @throws Failure `no-such-job`, `job-name-taken`, `job-running` when an endpoint changes during a run
   */
  replace(id: string, body: JobBody, by = userInfo().username): Job {
    const { category, ...kept } = body;
    const change = this.#db.transaction(() => {
      const before = this.get(id);
      if (!isSamePlace(before.transfer, kept.transfer)) {
        this.atRest(id);
        this.records(id).clear();
      }
      const other = this.#db.prepare<[string], { id: string }>('SELECT id FROM jobs WHERE name = ?').get(body.name);
      if (other && other.id !== id) throw new Failure('job-name-taken', { name: body.name });
      this.#requireParent(kept.parent_id);
      this.#db
        .prepare('UPDATE jobs SET name = ?, body = ?, category = ?, modified_by = ?, modified_on = ? WHERE id = ?')
        .run(body.name, JSON.stringify(kept), this.#category(category), by, this.clock.now(), id);
    });
    change.immediate();
    return this.get(id);
  }

  /** Finds a job by its id or name. @throws Failure `no-such-job` */
  get(idOrName: string): Job {
    const job = jobTable.select(this.#db, 'WHERE j.id = ? OR j.name = ?').get(idOrName, idOrName);
    if (!job) throw new Failure('no-such-job', { name: idOrName });
    return toJob(job);
  }

  /** Undefined: the job does not exist any more. */
  nameOf(id: string): string | undefined {
    return this.#db.prepare<[string], string>('SELECT name FROM jobs WHERE id = ?').pluck().get(id);
  }

  list(): Job[] {
    return jobTable.select(this.#db, 'ORDER BY j.name').all().map(toJob);
  }

  remove(id: string): void {
    this.#db.prepare('DELETE FROM jobs WHERE id = ?').run(id);
  }

  categories(): { readonly id: string; readonly name: string }[] {
    return this.#db.prepare<[], { id: string; name: string }>('SELECT id, name FROM categories ORDER BY name').all();
  }

  /** Returns the category of this name, and creates it if it is missing. */
  addCategory(name: string): { readonly id: string; readonly name: string } {
    const id = this.#db.transaction(() => this.#category({ name })).immediate()!;
    return { id, name };
  }

  /** Deletes the runs of a job with their items. @returns their ids */
  forgetRuns(job: string): number[] {
    return this.#db.prepare<[string], number>('DELETE FROM executions WHERE job = ? RETURNING id').pluck().all(job);
  }

  setState(id: string, state: { status?: JobStatus; health?: JobHealth; executeOn?: number | null }): void {
    this.#db
      .prepare(
        `UPDATE jobs SET status = coalesce(@status, status), health = coalesce(@health, health),
          execute_on = CASE WHEN @setsTime THEN @executeOn ELSE execute_on END WHERE id = @id`,
      )
      .run({
        id,
        status: state.status ?? null,
        health: state.health ?? null,
        setsTime: Number(state.executeOn !== undefined),
        executeOn: state.executeOn ?? null,
      });
  }

  /** Adds to the counts of the stop policy. */
  count(id: string, add: { executions: number; completions: number; failures: number }): void {
    this.#db
      .prepare(
        `UPDATE jobs SET executions = executions + @executions, completions = completions + @completions,
          failures = failures + @failures WHERE id = @id`,
      )
      .run({ ...add, id });
  }

  resetCounts(id: string): void {
    this.#db.prepare('UPDATE jobs SET executions = 0, completions = 0, failures = 0 WHERE id = ?').run(id);
  }

  /** Stores a request for the engine that runs the job. */
  ask(id: string, request: JobRequest, options: RunOptions = {}): void {
    this.#db
      .prepare('UPDATE jobs SET request = ?, request_options = ? WHERE id = ?')
      .run(request, JSON.stringify(options), id);
  }

  /** Returns the request for a job and removes it. */
  takeRequest(id: string): { readonly request: JobRequest; readonly options: RunOptions } | undefined {
    const take = this.#db.transaction(() => {
      const row = this.#db
        .prepare<[string], { request: JobRequest | null; request_options: string | null }>(
          'SELECT request, request_options FROM jobs WHERE id = ?',
        )
        .get(id);
      if (!row?.request) return undefined;
      this.#db.prepare('UPDATE jobs SET request = NULL, request_options = NULL WHERE id = ?').run(id);
      return { request: row.request, options: JSON.parse(row.request_options ?? '{}') as RunOptions };
    });
    return take.immediate();
  }

  /** Creates a run. Unless it is a simulation, it also fulfils a pending request to start the job. */
  begin(
    job: string,
    trigger: Execution['trigger'],
    simulation: boolean,
    now: number,
    allowDeletions = false,
  ): Execution {
    if (!simulation)
      this.#db
        .prepare(`UPDATE jobs SET request = NULL, request_options = NULL WHERE id = ? AND request = 'start'`)
        .run(job);
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO executions (job, status, phase, trigger, simulation, pid, started, allows_deletions)
         VALUES (?, 'running', 'initialize', ?, ?, ?, ?, ?)`,
      )
      .run(job, trigger, Number(simulation), process.pid, now, Number(allowDeletions));
    return this.execution(Number(lastInsertRowid))!;
  }

  /** Restarts a run that made no plan because an endpoint was unreachable. */
  reopen(id: number): Execution {
    this.#db
      .prepare(
        `UPDATE executions SET status = 'running', phase = 'initialize', pid = ?, ended = NULL, reason = NULL WHERE id = ?`,
      )
      .run(process.pid, id);
    return this.execution(id)!;
  }

  update(
    id: number,
    change: Partial<Pick<Execution, 'status' | 'phase' | 'calls' | 'ended' | 'reason'>> & { stats?: ExecutionStats },
  ): void {
    this.#db
      .prepare(
        `UPDATE executions SET status = coalesce(@status, status), phase = coalesce(@phase, phase),
          calls = coalesce(@calls, calls), ended = coalesce(@ended, ended), reason = coalesce(@reason, reason),
          stats = coalesce(@stats, stats) WHERE id = @id`,
      )
      .run({
        id,
        status: change.status ?? null,
        phase: change.phase ?? null,
        calls: change.calls ?? null,
        ended: change.ended ?? null,
        reason: change.reason ?? null,
        stats: change.stats ? JSON.stringify(change.stats) : null,
      });
  }

  execution(id: number): Execution | undefined {
    return executionTable.select(this.#db, 'WHERE id = ?').get(id);
  }

  /** Runs of a job, newest first. */
  executions(job: string, limit = 1000): Execution[] {
    return executionTable.select(this.#db, 'WHERE job = ? ORDER BY id DESC LIMIT ?').all(job, limit);
  }

  /**
   * Number of items that runs of a job deleted since a time (milliseconds), without runs that a person allowed to
   * delete.
   */
  deletedSince(job: string, since: number): number {
    return this.#db
      .prepare<[number, string], number>(
        `SELECT coalesce(sum(items.count), 0) FROM items INDEXED BY items_deleted JOIN executions ON executions.id = execution
         WHERE items.status = 'success' AND action IN ('delete', 'delete-source') AND done_at > ?
         AND job = ? AND allows_deletions = 0`,
      )
      .pluck()
      .get(since, job)!;
  }

  /** Returns a job that has no active run. @throws Failure `no-such-job`, `job-running` */
  atRest(idOrName: string): Job {
    const job = this.get(idOrName);
    if (this.running().some((one) => one.job === job.id)) throw new Failure('job-running', { name: job.name });
    return job;
  }

  /** Runs without an end time; their process may be gone. */
  running(): Execution[] {
    return executionTable.select(this.#db, 'WHERE ended IS NULL ORDER BY id').all();
  }

  /** Deletes the runs of a job that ended before a time (milliseconds), except the last one. @returns their ids */
  retire(job: string, before: number): number[] {
    return this.#db
      .prepare<[{ job: string; before: number }], number>(
        `DELETE FROM executions WHERE job = @job AND ended < @before
         AND id < (SELECT max(id) FROM executions WHERE job = @job) RETURNING id`,
      )
      .pluck()
      .all({ job, before });
  }

  records(job: string): Records {
    return new Records(this.#db, job);
  }

  uploads(job: string): StoredUploads {
    return new StoredUploads(this.#db, job, this.clock);
  }

  items(execution: number): RunItems {
    return new RunItems(this.#db, execution, this.clock);
  }

  audit(execution: number, level: string, event: string, path: string, reason?: string): void {
    this.#db
      .prepare('INSERT INTO audit (execution, at, level, event, path, reason) VALUES (?, ?, ?, ?, ?, ?)')
      .run(execution, this.clock.now(), level, event, path, reason ?? null);
  }

  /** Writes one audit event for each item of a run that has one of the statuses. */
  auditItems(execution: number, level: string, statuses: readonly ItemStatus[]): void {
    this.#db
      .prepare(
        `INSERT INTO audit (execution, at, level, event, path, reason)
         SELECT execution, ?, ?, action, iif(folder = '', name, folder || '/' || name), reason FROM items
         WHERE execution = ? AND status IN (${statuses.map(() => '?').join(', ')}) ORDER BY id`,
      )
      .run(this.clock.now(), level, execution, ...statuses);
  }

  *auditOf(execution: number) {
    yield* this.#db
      .prepare<[number], AuditEvent>('SELECT at, level, event, path, reason FROM audit WHERE execution = ? ORDER BY id')
      .iterate(execution);
  }

  close(): void {
    this.#db.close();
  }

  #requireParent(id: string | undefined): void {
    if (id !== undefined && !this.#db.prepare('SELECT 1 FROM jobs WHERE id = ?').get(id))
      throw new Failure('job-refused', { why: `parent_id: there is no job with the id "${id}"` });
  }

  /** Returns the id of a category. A category given by name is created if it is missing. */
  #category(given: JobBody['category']): string | null {
    if (!given) return null;
    const { id, name } = given;
    if (name === undefined) {
      if (id !== undefined && this.#db.prepare('SELECT 1 FROM categories WHERE id = ?').get(id)) return id;
      throw new Failure('no-such-category', { id: id ?? '' });
    }
    const found = this.#db.prepare<[string], string>('SELECT id FROM categories WHERE name = ?').pluck().get(name);
    if (found !== undefined) return found;
    const fresh = randomUUID();
    this.#db.prepare('INSERT INTO categories (id, name) VALUES (?, ?)').run(fresh, name);
    return fresh;
  }
}

/** Whether two definitions have the same endpoints. */
const isSamePlace = (a: JobBody['transfer'], b: JobBody['transfer']): boolean =>
  (['source', 'destination'] as const).every(
    (side) => a[side].connection.id === b[side].connection.id && folderOf(a[side]) === folderOf(b[side]),
  );
const folderOf = ({ target }: EndpointReference): string => target.path.replace(/^\/+|\/+$/g, '');
