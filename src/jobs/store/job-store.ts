import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { type Clock, systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { type Database, openDatabase } from '../../database/open.js';
import type { Job, JobBody } from '../definition/job-schema.js';
import type { EndpointReference } from '../definition/transfer-schema.js';
import type { ItemStatus, JobHealth, JobStatus } from '../definition/words.js';
import { type AuditEvent, type Execution, type ExecutionRow, type ExecutionStats, toExecution } from './executions.js';
import { RunItems } from './items.js';
import { LastRuns } from './last-runs.js';
import { Pages } from './pages.js';
import { Records } from './records.js';
import { jobsDatabase } from './schema.js';
import { StoredUploads } from './stored-uploads.js';

export type JobRequest = 'start' | 'pause' | 'resume' | 'cancel';

/** What a person asks of a run that is started by hand. */
export interface RunOptions {
  readonly simulate?: boolean;
  /** Deletions above the guard go through. */
  readonly allowDeletions?: boolean;
  /** Of a run that goes on with what another left: how that one was started. */
  readonly trigger?: 'schedule' | 'manual';
}

interface JobRow {
  readonly id: string;
  readonly name: string;
  readonly body: string;
  readonly category: string | null;
  readonly category_name: string | null;
  readonly status: JobStatus;
  readonly health: JobHealth;
  readonly execute_on: number | null;
  readonly executions: number;
  readonly completions: number;
  readonly failures: number;
  readonly request: JobRequest | null;
  readonly request_options: string | null;
  readonly created_by: string;
  readonly created_on: number;
  readonly modified_by: string;
  readonly modified_on: number;
}

const SELECT_JOB = 'SELECT j.*, c.name AS category_name FROM jobs j LEFT JOIN categories c ON c.id = j.category';

/** `jobs.db`: may be open in several processes of one state folder at once. */
export class JobStore {
  readonly pages: Pages;
  readonly last: LastRuns;
  readonly #db: Database;
  readonly #clock: Clock;

  /** @throws Failure `database-damaged`, `database-newer`, `state-unwritable` */
  constructor(path: string, clock: Clock = systemClock) {
    this.#clock = clock;
    this.#db = openDatabase(path, jobsDatabase);
    this.pages = new Pages(this.#db);
    this.last = new LastRuns(this.#db);
  }

  /** @throws Failure `job-name-taken`, `no-such-category`, `job-refused` for a parent that is none */
  add(body: JobBody, by = userInfo().username): Job {
    const { category, ...kept } = body;
    const now = this.#clock.now();
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
   * Replaces the definition; the runs stay. The records stay as long as both sides do: at another place, what was not
   * copied there yet would look like something that was deleted there.
   * @throws Failure `no-such-job`, `job-name-taken`, `job-running` for another place in the middle of a run
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
        .run(body.name, JSON.stringify(kept), this.#category(category), by, this.#clock.now(), id);
    });
    change.immediate();
    return this.get(id);
  }

  /** By id or name. @throws Failure `no-such-job` */
  get(idOrName: string): Job {
    const row = this.#db
      .prepare<[string, string], JobRow>(`${SELECT_JOB} WHERE j.id = ? OR j.name = ?`)
      .get(idOrName, idOrName);
    if (!row) throw new Failure('no-such-job', { name: idOrName });
    return toJob(row);
  }

  /** Undefined: there is no such job any more. */
  nameOf(id: string): string | undefined {
    return this.#db.prepare<[string], string>('SELECT name FROM jobs WHERE id = ?').pluck().get(id);
  }

  list(): Job[] {
    return this.#db.prepare<[], JobRow>(`${SELECT_JOB} ORDER BY j.name`).all().map(toJob);
  }

  remove(id: string): void {
    this.#db.prepare('DELETE FROM jobs WHERE id = ?').run(id);
  }

  categories(): { readonly id: string; readonly name: string }[] {
    return this.#db.prepare<[], { id: string; name: string }>('SELECT id, name FROM categories ORDER BY name').all();
  }

  /** The category of this name, made if it is not there. */
  addCategory(name: string): { readonly id: string; readonly name: string } {
    const id = this.#db.transaction(() => this.#category({ name })).immediate()!;
    return { id, name };
  }

  /** Forgets runs of a job, and what they did. @returns their ids */
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

  /** Asks whoever runs the jobs of this state folder. */
  ask(id: string, request: JobRequest, options: RunOptions = {}): void {
    this.#db
      .prepare('UPDATE jobs SET request = ?, request_options = ? WHERE id = ?')
      .run(request, JSON.stringify(options), id);
  }

  /** What was asked, once. */
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

  /** What was asked of it before is done with this run. */
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

  /** A run that had not begun, since an end was away, begins again. */
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
    const row = this.#db.prepare<[number], ExecutionRow>('SELECT * FROM executions WHERE id = ?').get(id);
    return row && toExecution(row);
  }

  /** Runs of a job, the last one first. */
  executions(job: string, limit = 1000): Execution[] {
    return this.#db
      .prepare<[string, number], ExecutionRow>('SELECT * FROM executions WHERE job = ? ORDER BY id DESC LIMIT ?')
      .all(job, limit)
      .map(toExecution);
  }

  /** Items that runs of a job deleted since a time (milliseconds) without a person who had allowed it. */
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

  /** The job, which no run is under way of. @throws Failure `no-such-job`, `job-running` */
  atRest(idOrName: string): Job {
    const job = this.get(idOrName);
    if (this.running().some((one) => one.job === job.id)) throw new Failure('job-running', { name: job.name });
    return job;
  }

  /** Runs that say they are running. */
  running(): Execution[] {
    return this.#db
      .prepare<[], ExecutionRow>('SELECT * FROM executions WHERE ended IS NULL ORDER BY id')
      .all()
      .map(toExecution);
  }

  /** Forgets runs of a job that ended before a time, the last one excepted. @returns their ids */
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
    return new StoredUploads(this.#db, job, this.#clock);
  }

  items(execution: number): RunItems {
    return new RunItems(this.#db, execution, this.#clock);
  }

  audit(execution: number, level: string, event: string, path: string, reason?: string): void {
    this.#db
      .prepare('INSERT INTO audit (execution, at, level, event, path, reason) VALUES (?, ?, ?, ?, ?, ?)')
      .run(execution, this.#clock.now(), level, event, path, reason ?? null);
  }

  /** The items of a run that have a status, an event each. */
  auditItems(execution: number, level: string, statuses: readonly ItemStatus[]): void {
    this.#db
      .prepare(
        `INSERT INTO audit (execution, at, level, event, path, reason)
         SELECT execution, ?, ?, action, iif(folder = '', name, folder || '/' || name), reason FROM items
         WHERE execution = ? AND status IN (${statuses.map(() => '?').join(', ')}) ORDER BY id`,
      )
      .run(this.#clock.now(), level, execution, ...statuses);
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

  /** A name is taken literally, and made if it is not there. */
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

/** Whether two definitions are about the same two folders. */
const isSamePlace = (a: JobBody['transfer'], b: JobBody['transfer']): boolean =>
  (['source', 'destination'] as const).every(
    (side) => a[side].connection.id === b[side].connection.id && folderOf(a[side]) === folderOf(b[side]),
  );
const folderOf = ({ target }: EndpointReference): string => target.path.replace(/^\/+|\/+$/g, '');

const seconds = (ms: number): number => Math.floor(ms / 1000);

const toJob = (row: JobRow): Job => ({
  ...(JSON.parse(row.body) as Omit<JobBody, 'category'>),
  id: row.id,
  name: row.name,
  category: row.category === null ? undefined : { id: row.category, name: row.category_name ?? '' },
  status: row.status,
  health: row.health,
  execute_on: row.execute_on === null ? undefined : seconds(row.execute_on),
  counts: { executions: row.executions, completions: row.completions, failures: row.failures },
  created_by: row.created_by,
  created_on: seconds(row.created_on),
  modified_by: row.modified_by,
  modified_on: seconds(row.modified_on),
});
