import { call, list, type Row } from './api.js';
import { askName } from './ask-name.js';
import type { Column } from './column-choice.js';
import { button, h, put, remote } from './dom.js';
import { captionOf, timeOf } from './format.js';
import { addJob } from './job-wizard.js';
import { followed, Paged } from './pages.js';
import { scheduleText } from './schedule-form.js';
import { type Screen, titleOf } from './screen.js';
import { forManagers } from './session.js';
import { texts } from './texts.js';

const BAD = new Set(['failed', 'failed-to-start', 'warn', 'awaiting-user', 'not-complete']);

export const statusOf = (status: string): HTMLElement =>
  h('span', { class: BAD.has(status) ? 'bad' : undefined }, captionOf(texts.statuses, status));

export const sideOf = ({ connection, target }: Row): HTMLElement =>
  remote(`${connection.name ?? connection.id}: ${target.path || '/'}`);

/** The caption of a transfer type, without its explanation. */
const shortKind = (word: string): string => captionOf(texts.transferTypes, word).split(':')[0]!;

/** Columns of a list of jobs. */
export const jobColumns: readonly Column[] = [
  {
    head: texts.name,
    sort: 'name',
    cell: (row) => h('a', { href: `#/jobs/${encodeURIComponent(row.id)}`, 'data-key': row.id }, remote(row.name)),
  },
  { head: texts.kind, sort: 'transfer_type', cell: (row) => shortKind(row.transfer.transfer_type) },
  { head: texts.source, sort: 'source', cell: (row) => sideOf(row.transfer.source) },
  { head: texts.destination, sort: 'destination', cell: (row) => sideOf(row.transfer.destination) },
  { head: texts.status_, sort: 'status', cell: (row) => statusOf(row.status) },
  { head: texts.health, sort: 'health', cell: (row) => captionOf(texts.healths, row.health) },
  {
    head: texts.lastRun,
    sort: 'last_run',
    cell: (row) => timeOf((row.execution ?? row.previous_execution)?.start_time),
  },
  { head: texts.nextRun, sort: 'execute_on', cell: (row) => timeOf(row.execute_on) },
  { head: texts.category, sort: 'category', isExtra: true, cell: (row) => remote(row.category?.name ?? texts.none) },
  { head: texts.schedule, isExtra: true, cell: (row) => scheduleText(row.schedule) },
  { head: texts.runs, isExtra: true, cell: (row) => row.counts.executions },
  { head: texts.created, sort: 'created_on', isExtra: true, cell: (row) => timeOf(row.created_on) },
  { head: texts.id, isExtra: true, cell: (row) => row.id },
];

/** The grid of jobs. */
export async function jobsScreen({ main, query, signal }: Screen): Promise<void> {
  const [connections, categories] = await Promise.all([
    list('/v1/connections', { limit: 1000 }, signal),
    list('/v1/jobs/categories', { limit: 1000 }, signal),
  ]);
  const told = h('div', { 'aria-live': 'polite' });
  const paged = new Paged({
    caption: texts.jobs,
    path: '/v1/jobs',
    empty: texts.noJobs,
    kept: 'jobs',
    signal,
    filters: [
      { key: 'status', label: texts.status_, options: texts.statuses },
      {
        key: 'connection',
        label: texts.connection,
        options: connections.rows.map(({ id, name }) => [id, name]),
        value: query.get('connection'),
      },
      {
        key: 'transfer_type',
        label: texts.kind,
        options: texts.transferTypes.map(([word]) => [word, shortKind(word)]),
      },
      {
        key: 'simulation',
        label: texts.simulation,
        options: [
          ['0', texts.realJobs],
          ['1', texts.simulations],
        ],
      },
      ...(categories.rows.length > 0
        ? [
            {
              key: 'category',
              label: texts.category,
              options: categories.rows.map(({ id, name }) => [id, name] as const),
            },
          ]
        : []),
    ],
    columns: jobColumns,
  });
  const keep = (): void =>
    askName(texts.saveReport, texts.reportName, async (name) => {
      // A report stores the filter for jobs, not their order.
      const { sort: _, ...filter } = Object.fromEntries(Object.entries(paged.words).filter(([, word]) => word !== ''));
      const report = await call('POST', '/v1/reports', { name, filter });
      location.hash = `#/reports/${report.id}`;
    });
  const add = forManagers(() => button(texts.addJob, () => addJob(connections.rows), { class: 'main' }));
  put(
    main,
    h('div', { class: 'bar' }, titleOf(texts.jobs), h('span', { class: 'end' }, add)),
    told,
    paged.element,
    h(
      'div',
      { class: 'bar' },
      forManagers(() => button(texts.saveReport, keep)),
      paged.csv(told, 'jobs.csv'),
    ),
  );
  await followed(paged, signal);
}
