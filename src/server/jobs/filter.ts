import type { z } from 'zod';
import type { Connections } from '../../connections/store.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import type { JobStore } from '../../jobs/store/job-store.js';
import type { SortKeys } from '../http/sort.js';
import { flag, id, word, words } from '../http/wire.js';

/** Filters of a list of jobs; a report stores the same ones. */
export const jobFilter = {
  kind: word.optional(),
  q: word.optional(),
  status: words.optional(),
  health: words.optional(),
  active: flag.optional(),
  disabled: flag.optional(),
  parent: id.optional(),
  category: id.optional(),
  /** The connection on either side. */
  connection: id.optional(),
  transfer_type: words.optional(),
  /** Jobs that only simulate. */
  simulation: flag.optional(),
} as const;

export type JobFilter = { readonly [Key in keyof typeof jobFilter]?: z.output<(typeof jobFilter)[Key]> | undefined };

/** Jobs that match all parts of a filter, by name. */
export function jobsOf(store: JobStore, connections: Connections, filter: JobFilter): Job[] {
  const tests: ((job: Job) => boolean)[] = [];
  const test = <T>(value: T | undefined, of: (value: T) => (job: Job) => boolean): void => {
    if (value !== undefined) tests.push(of(value));
  };
  test(filter.kind, (kind) => (job) => job.kind === kind);
  test(filter.q?.toLowerCase(), (q) => (job) => hasText(job, q));
  test(
    filter.status,
    (all) =>
      ({ status }) =>
        all.includes(status),
  );
  test(
    filter.health,
    (all) =>
      ({ health }) =>
        all.includes(health),
  );
  test(filter.active, (wanted) => (job) => isActive(job) === wanted);
  test(
    filter.disabled,
    (wanted) =>
      ({ disabled }) =>
        disabled === wanted,
  );
  test(
    filter.parent,
    (parent) =>
      ({ parent_id }) =>
        parent_id === parent,
  );
  test(
    filter.category,
    (wanted) =>
      ({ category }) =>
        category?.id === wanted || category?.name === wanted,
  );
  test(
    filter.transfer_type,
    (all) =>
      ({ transfer }) =>
        all.includes(transfer.transfer_type),
  );
  test(
    filter.simulation,
    (wanted) =>
      ({ transfer }) =>
        transfer.simulation_mode === wanted,
  );
  test(filter.connection, (wanted) => {
    const same = connections.all().filter((one) => one.id === wanted || one.name === wanted);
    const ids = new Set([wanted, ...same.flatMap((one) => [one.id, one.name])]);
    return ({ transfer: { source, destination } }) =>
      [source, destination].some(({ connection }) => ids.has(connection.id));
  });
  return store.list().filter((job) => tests.every((fits) => fits(job)));
}

/** Sort keys of a list of jobs. */
export const jobSorts = (store: JobStore, connections: Connections): SortKeys<Job> => {
  let known: ReadonlyMap<string, string> | undefined;
  const side = ({ connection: { id }, target: { path } }: Job['transfer']['source']): string => {
    known ??= new Map(connections.all().map((one) => [one.id, one.name]));
    return `${known.get(id) ?? id}: ${path}`;
  };
  return {
    name: ({ name }) => name,
    transfer_type: ({ transfer }) => transfer.transfer_type,
    source: ({ transfer }) => side(transfer.source),
    destination: ({ transfer }) => side(transfer.destination),
    status: ({ status }) => status,
    health: ({ health }) => health,
    category: ({ category }) => category?.name,
    last_run: ({ id }) => store.last.of(id, 'any')?.started,
    execute_on: ({ execute_on }) => execute_on ?? undefined,
    created_on: ({ created_on }) => created_on,
  };
};

const isActive = ({ disabled, status }: Job): boolean => !disabled && status !== 'complete';

const hasText = ({ name, id, description, category }: Job, q: string): boolean =>
  [name, id, description, category?.name].some((text) => text?.toLowerCase().includes(q));
