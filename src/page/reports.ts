import { call, list, type Row, read } from './api.js';
import type { Column } from './column-choice.js';
import { button, facts, h, put, remote, visible } from './dom.js';
import { bytesOf, captionOf, timeOf, wordOf } from './format.js';
import { flaggedColumns } from './items.js';
import { jobColumns } from './jobs.js';
import { Paged } from './pages.js';
import { runColumns } from './runs.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { forManagers } from './session.js';
import { texts } from './texts.js';

/** Reports: saved filters over jobs, with the results of their last runs; and the runs of all jobs. */
export async function reportsScreen(screen: Screen): Promise<void> {
  const [id] = screen.parts;
  return id ? one(screen, id) : all(screen);
}

async function all({ main, signal }: Screen): Promise<void> {
  const told = h('div', { 'aria-live': 'polite' });
  const names = await namesOfIds(signal);
  const reports = new Paged({
    caption: texts.reports,
    path: '/v1/reports',
    empty: texts.noReports,
    signal,
    columns: [
      { head: texts.name, cell: (row) => h('a', { href: `#/reports/${row.id}` }, remote(row.name)) },
      { head: texts.filter, cell: (row) => remote(filterOf(row.filter, names)) },
      { head: texts.createdBy, cell: (row) => remote(row.created_by) },
      { head: texts.created, cell: (row) => timeOf(row.created_on) },
    ],
  });
  const history = new Paged({
    caption: texts.history,
    path: '/v1/jobs/history',
    isSearchable: false,
    empty: texts.noRuns,
    signal,
    columns: runColumns(true),
  });
  put(
    main,
    titleOf(texts.reports),
    h('p', { class: 'help' }, texts.reportsHelp),
    told,
    reports.element,
    h('h2', {}, texts.history),
    history.element,
    history.csv(told, 'history.csv'),
  );
  await Promise.all([reports.load(), history.load(true)]);
}

async function one({ main, signal }: Screen, id: string): Promise<void> {
  const path = `/v1/reports/${encodeURIComponent(id)}`;
  const [report, stats, names] = await Promise.all([
    read(path, signal),
    read(`${path}/stats`, signal),
    namesOfIds(signal),
  ]);
  const told = h('div', { 'aria-live': 'polite' });
  const part = (caption: string, name: string, columns: readonly Column[], empty: string): Paged =>
    new Paged({ caption, path: `${path}/${name}`, columns, empty, isSearchable: false, signal });
  const jobs = part(texts.jobs, 'jobs', unsorted, texts.noJobs);
  const items = part(texts.flagged, 'items', flaggedColumns, texts.noFlagged);
  const forget = (): void => {
    if (!confirm(texts.forgetReport(visible(report.name)))) return;
    void attempt(told, async () => {
      await call('DELETE', path);
      location.hash = '#/reports';
    });
  };
  put(
    main,
    titleOf(remote(report.name)),
    h('p', { class: 'help' }, remote(filterOf(report.filter, names))),
    forManagers(() => h('div', { class: 'bar' }, button(texts.remove, forget))),
    told,
    h('h2', {}, texts.lastRuns),
    facts(Object.entries<number>(stats).map(([key, value]) => [wordOf(key), key === 'bytes' ? bytesOf(value) : value])),
    h('h2', {}, texts.jobs),
    jobs.element,
    jobs.csv(told, 'jobs.csv', `${texts.csv}: ${texts.jobs}`),
    h('h2', {}, texts.flagged),
    items.element,
    items.csv(told, 'items.csv', `${texts.csv}: ${texts.flagged}`),
  );
  await Promise.all([jobs.load(true), items.load(true)]);
}

/** The service sorts the jobs of a report by name only. */
const unsorted: readonly Column[] = jobColumns.map(({ sort: _, ...column }) => column);

type Names = readonly (readonly [id: string, name: string])[];

/** Names for the ids in a filter: connections and categories. */
async function namesOfIds(signal: AbortSignal): Promise<Names> {
  const lists = await Promise.all(
    ['/v1/connections', '/v1/jobs/categories'].map((path) => list(path, { limit: 1000, fields: 'name' }, signal)),
  );
  return lists.flatMap(({ rows }) => rows.map(({ id, name }) => [id, name] as const));
}

/** A filter as readable text. */
function filterOf(filter: Row, names: Names): string {
  const words = Object.entries(filter).map(([key, value]) => {
    if (typeof value === 'boolean') return `${wordOf(key)}: ${value ? texts.yes : texts.no}`;
    const shown = [value].flat().map((word) => captionOf([...texts.statuses, ...names], String(word)));
    return `${wordOf(key)}: ${shown.join(', ')}`;
  });
  return words.length === 0 ? texts.allJobs : words.join('; ');
}
