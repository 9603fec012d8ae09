import { address, download, list, type Row, read } from './api.js';
import { button, type Child, facts, h, put, remote } from './dom.js';
import { bytesOf, captionOf, timeOf, wordOf } from './format.js';
import { sideOf } from './jobs.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

/** The report of a run as stored at its end, with the files to download. */
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
    pairsOf(report, job),
    h(
      'div',
      { class: 'bar' },
      button(texts.downloadReport, save(run.links.report, `report-${run.id}.json`)),
      button(texts.downloadItems, save(items, `items-${run.id}.csv`)),
    ),
  );
}

/** The content of the report with captions for its keys; `job` and both sides appear as elsewhere in the page. */
const pairsOf = (report: Row, { transfer }: Row): HTMLElement =>
  facts(
    Object.entries({ ...report, ...report.job, id: undefined, job: undefined, report: undefined })
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([key, value]) => [wordOf(key), shownOf(key, value, transfer)] as const),
  );

function shownOf(key: string, value: unknown, transfer: Row): Child {
  if (typeof value === 'boolean') return value ? texts.yes : texts.no;
  if (key === 'bytes' && typeof value === 'number') return bytesOf(value);
  if (key === 'started' || key === 'ended' || key === 'again')
    return timeOf((typeof value === 'number' ? value : Date.parse(String(value))) / 1000);
  if (key === 'status') return captionOf(texts.runStatuses, String(value));
  if (key === 'type') return captionOf(texts.transferTypes, String(value));
  if (key === 'source' || key === 'destination') {
    // The report refers to a connection by id, and stores its state at the time of the run.
    const side = transfer[key];
    return value === `${side.connection.id}:${side.target.path}` ? sideOf(side) : remote(String(value));
  }
  if (typeof value === 'object' && value !== null)
    return facts(Object.entries(value).map(([own, inner]) => [wordOf(own), shownOf(own, inner, transfer)] as const));
  return remote(String(value));
}
