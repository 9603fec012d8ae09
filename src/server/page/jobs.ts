import { list, type Row } from './api.js';
import { button, h, put, remote } from './dom.js';
import { addJob } from './job-wizard.js';
import { Paged } from './pages.js';
import { repeat, type Screen, titleOf } from './screen.js';
import { captionOf, texts, timeOf } from './texts.js';

const BAD = new Set(['failed', 'failed-to-start', 'warn', 'awaiting-user', 'not-complete']);

export const statusOf = (status: string): HTMLElement =>
  h('span', { class: BAD.has(status) ? 'bad' : undefined }, captionOf(texts.statuses, status));

export const sideOf = ({ connection, target }: Row): HTMLElement =>
  remote(`${connection.name ?? connection.id}: ${target.path || '/'}`);

/** The grid of jobs. */
export async function jobsScreen({ main, query, signal }: Screen): Promise<void> {
  const [connections, categories] = await Promise.all([
    list('/v1/connections', { limit: 1000 }, signal),
    list('/v1/jobs/categories', { limit: 1000 }, signal),
  ]);
  const paged = new Paged({
    caption: texts.jobs,
    path: '/v1/jobs',
    empty: texts.noJobs,
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
        options: texts.transferTypes.map(([word, caption]) => [word, caption.split(':')[0]!]),
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
    columns: [
      {
        head: texts.name,
        cell: (row) => h('a', { href: `#/jobs/${encodeURIComponent(row.id)}`, 'data-key': row.id }, remote(row.name)),
      },
      { head: texts.kind, cell: (row) => captionOf(texts.transferTypes, row.transfer.transfer_type).split(':')[0] },
      { head: texts.source, cell: (row) => sideOf(row.transfer.source) },
      { head: texts.destination, cell: (row) => sideOf(row.transfer.destination) },
      { head: texts.status_, cell: (row) => statusOf(row.status) },
      { head: texts.health, cell: (row) => row.health },
      { head: texts.lastRun, cell: (row) => timeOf((row.execution ?? row.previous_execution)?.start_time) },
      { head: texts.nextRun, cell: (row) => timeOf(row.execute_on) },
    ],
  });
  const add = button(texts.addJob, () => addJob(connections.rows), { class: 'main' });
  put(main, h('div', { class: 'bar' }, titleOf(texts.jobs), h('span', { class: 'end' }, add)), paged.element);
  await paged.load();
  repeat(signal, async () => {
    await paged.load(true);
    return 3000;
  });
}
