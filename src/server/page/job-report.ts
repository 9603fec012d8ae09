import { address, download, list, type Row, read } from './api.js';
import { button, type Child, facts, h, put, remote } from './dom.js';
import { bytesOf, wordOf } from './format.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

/** The report of a run: what was written down when it ended, and the files to take along. */
export async function showReport(
  job: Row,
  wanted: string | undefined,
  place: HTMLElement,
  told: HTMLElement,
  signal: AbortSignal,
): Promise<void> {
  const { rows } = await list('/v1/jobs/history', { job: job.id, limit: 20 }, signal);
  const run = wanted
    ? await read(`/v1/jobs/history/${encodeURIComponent(wanted)}`, signal)
    : (rows.find(({ links, simulation }) => links.report && !simulation) ?? rows.find(({ links }) => links.report));
  if (!run?.links.report) return put(place, h('p', {}, texts.noReport));
  const report = await read(run.links.report, signal);
  const save = (path: string, name: string) => (): void => void attempt(told, () => download(path, name));
  const items = address('/v1/transfers/items.csv', { job: job.id, execution: run.id });
  put(
    place,
    h('h2', {}, `${texts.report}: ${texts.run} ${run.id}`),
    pairsOf(report),
    h(
      'div',
      { class: 'bar' },
      button(texts.downloadReport, save(run.links.report, `report-${run.id}.json`)),
      button(texts.downloadItems, save(items, `items-${run.id}.csv`)),
    ),
  );
}

const pairsOf = (report: Row): HTMLElement =>
  facts(
    Object.entries(report)
      .filter(([key, value]) => value !== null && key !== 'report')
      .map(([key, value]) => [wordOf(key), shownOf(key, value)] as const),
  );

function shownOf(key: string, value: unknown): Child {
  if (typeof value === 'boolean') return value ? texts.yes : texts.no;
  if (key === 'bytes' && typeof value === 'number') return bytesOf(value);
  if (typeof value === 'object' && value !== null) return pairsOf(value);
  return remote(String(value));
}
