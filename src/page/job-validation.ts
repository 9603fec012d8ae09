import { CallFailed, call, type Row, read } from './api.js';
import { button, h, put, remote } from './dom.js';
import { bytesOf, captionOf, timeOf } from './format.js';
import { stateOf } from './items.js';
import { Paged } from './pages.js';
import { attempt } from './screen.js';
import { forManagers } from './session.js';
import { texts } from './texts.js';

/** Shows whether both sides agree: the result of the last comparison, and the actions of the last run. */
export async function showValidation(
  job: Row,
  body: HTMLElement,
  told: HTMLElement,
  signal: AbortSignal,
): Promise<(now: Row) => void> {
  const verdict = h('div', {});
  const rest = h('div', {});
  const check = (): void => void attempt(told, async () => void (await call('POST', `/v1/jobs/${job.id}/estimate`)));
  put(
    body,
    h('p', { class: 'help' }, texts.validationHelp),
    forManagers(() => h('div', { class: 'bar' }, button(texts.checkNow, check, { 'data-key': 'check' }))),
    verdict,
    rest,
  );
  let shown = '';
  const show = (now: Row): void => {
    const text = now.execution ? 'running' : String(now.previous_execution?.id);
    if (text === shown) return;
    shown = text;
    if (now.execution) {
      put(verdict, h('p', { role: 'status' }, texts.estimating));
      return;
    }
    void attempt(told, async () => {
      put(verdict, await verdictOf(job, now, signal));
      const paged = sidesOf(job.id, signal);
      put(rest, h('h2', {}, texts.bothSides), paged.element, paged.csv(told, 'validation.csv'));
      await paged.load(true);
    });
  };
  show(job);
  return show;
}

/** The result of the last comparison of both sides, with the items that differ. */
async function verdictOf(job: Row, now: Row, signal: AbortSignal): Promise<HTMLElement> {
  const found = await read(`/v1/jobs/${job.id}/estimate`, signal).catch((error: unknown) => {
    if (error instanceof CallFailed && error.status === 404) return undefined;
    throw error;
  });
  if (!found) return h('p', {}, texts.neverChecked);
  const run = await read(`/v1/jobs/history/${found.execution_id}`, signal);
  const differ = found.items + (found.deletions ?? 0);
  const isOld = Number(now.previous_execution?.id) > Number(run.id);
  const agrees = differ === 0 && found.problems === 0;
  const place = h(
    'div',
    {},
    h(
      'p',
      { class: `note ${agrees ? 'good' : 'bad'}`, role: 'status' },
      agrees ? texts.sidesAgree : texts.sidesDiffer(differ, found.problems),
      ` (${timeOf(run.start_time)})`,
    ),
    isOld ? h('p', { class: 'help' }, texts.ranSince) : null,
  );
  if (agrees) return place;
  const paged = new Paged({
    caption: texts.differing,
    path: '/v1/transfers/items',
    fixed: { job: job.id, execution: run.id },
    columns: [
      { head: texts.item, cell: (row) => remote(row.source.path) },
      { head: texts.action, cell: (row) => captionOf(texts.actionWords, row.action) },
      { head: texts.reason, cell: (row) => remote(row.reason ?? row.renamed) },
    ],
    empty: texts.noItems,
    signal,
  });
  place.append(h('h2', {}, texts.differing), paged.element);
  await paged.load(true);
  return place;
}

/** The list of actions of the last run, at source and destination. */
const sidesOf = (job: string, signal: AbortSignal): Paged =>
  new Paged({
    caption: texts.bothSides,
    path: '/v1/transfers/items',
    fixed: { job },
    filters: [{ key: 'status', label: texts.status_, options: texts.itemStatuses }],
    columns: [
      { head: texts.source, cell: (row) => remote(row.source.path) },
      { head: texts.bytes, cell: (row) => (row.type === 'folder' ? texts.none : bytesOf(row.source.bytes)) },
      { head: texts.destination, cell: (row) => remote(row.destination.path) },
      { head: texts.status_, cell: (row) => stateOf(row) },
      { head: texts.when, cell: (row) => timeOf(row.transferred_on) },
      { head: texts.reason, cell: (row) => remote(row.reason ?? row.renamed) },
    ],
    empty: texts.noItems,
    signal,
  });
