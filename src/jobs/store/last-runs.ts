import type { Database, Statement } from '../../database/open.js';
import type { Selection } from '../../database/table.js';
import { type Execution, executionTable } from './executions.js';

/**
 * Which run of a job. `any` · `real`: no simulation · `changed`: no simulation, and it had something to do · `current`:
 * has not ended · `estimate`: has an estimate.
 */
const CONDITIONS = {
  any: '1',
  real: 'simulation = 0',
  changed: `simulation = 0 AND status <> 'no_changes'`,
  current: 'ended IS NULL',
  estimate: `json_extract(stats, '$.estimate') IS NOT NULL`,
} as const;

export type Which = keyof typeof CONDITIONS;

/** The last runs of jobs, read from the end of an index: the number of runs does not matter. */
export class LastRuns {
  readonly #of: Readonly<Record<Which, Selection<[string], Execution>>>;
  readonly #all: Statement<[], { job: string; execution: number }>;

  constructor(db: Database) {
    const last = (job: string, which: Which): string =>
      `WHERE job = ${job} AND ${CONDITIONS[which]} ORDER BY id DESC LIMIT 1`;
    const prepared = (which: Which) => executionTable.select<[string]>(db, last('?', which));
    const lastId = (which: Which): string => `(SELECT id FROM executions ${last('jobs.id', which)})`;
    this.#of = {
      any: prepared('any'),
      real: prepared('real'),
      changed: prepared('changed'),
      current: prepared('current'),
      estimate: prepared('estimate'),
    };
    this.#all = db.prepare<[], { job: string; execution: number }>(
      `SELECT job, execution FROM (
         SELECT id AS job, coalesce(${lastId('real')}, ${lastId('any')}) AS execution FROM jobs)
       WHERE execution IS NOT NULL`,
    );
  }

  of(job: string, which: Which): Execution | undefined {
    return this.#of[which].get(job);
  }

  /** Jobs by the id of their last run; a simulation counts only if the job has no other run. */
  all(): ReadonlyMap<number, string> {
    return new Map(this.#all.all().map(({ job, execution }) => [execution, job]));
  }
}
