import { call, type Row } from './api.js';
import type { Column } from './column-choice.js';
import { about, button, h, remote } from './dom.js';
import { bytesOf, captionOf, timeOf } from './format.js';
import { Paged } from './pages.js';
import { attempt } from './screen.js';
import { mayManage } from './session.js';
import { texts } from './texts.js';

/** The caption of the result of an item, or that it is in progress. */
export const stateOf = (row: Row): string => (row.processing ? texts.underWay : captionOf(texts.itemWords, row.status));

const columns: readonly Column[] = [
  { head: texts.item, cell: (row) => remote(row.source.path) },
  { head: texts.action, cell: (row) => captionOf(texts.actionWords, row.action) },
  { head: texts.status_, cell: (row) => stateOf(row) },
  { head: texts.reason, cell: (row) => remote(row.reason ?? row.renamed) },
  { head: texts.bytes, cell: (row) => (row.type === 'folder' ? texts.none : bytesOf(row.source.bytes)) },
  { head: texts.attempts, cell: (row) => row.attempts },
  { head: texts.when, cell: (row) => timeOf(row.transferred_on) },
  { head: texts.destination, isExtra: true, cell: (row) => remote(row.destination.path) },
  { head: texts.kindOfItem, isExtra: true, cell: (row) => captionOf(texts.itemTypes, row.type) },
];

/** The list of items of a run with their results. */
export const itemList = (job: string, signal: AbortSignal): Paged =>
  new Paged({
    caption: texts.items,
    path: '/v1/transfers/items',
    fixed: { job },
    filters: [
      { key: 'status', label: texts.status_, options: texts.itemStatuses },
      { key: 'renamed', label: texts.names, options: [['1', texts.renamedOnly]] },
    ],
    columns,
    kept: 'items',
    empty: texts.noItems,
    signal,
  });

const ofJob: Column = {
  head: texts.job,
  cell: ({ job }) => h('a', { href: `#/jobs/${encodeURIComponent(job.id)}/flagged` }, remote(job.name)),
};

/** Columns of a list of flagged items of several jobs. */
export const flaggedColumns: readonly Column[] = [ofJob, ...columns];

/** The flagged items of one job or of all jobs, with buttons for the possible actions. */
export function flaggedList(
  job: string | undefined,
  told: HTMLElement,
  signal: AbortSignal,
  drawn: (rows: readonly Row[]) => void = () => undefined,
): Paged {
  const act = (row: Row, verb: 'retry' | 'ignore', own: HTMLButtonElement): void => {
    own.disabled = true;
    void attempt(told, async () => {
      await call('PATCH', `/v1/transfers/items/${row.id}?${verb}=1`);
      await paged.load();
    }).finally(() => {
      own.disabled = false;
    });
  };
  const one = (row: Row, verb: 'retry' | 'ignore'): HTMLButtonElement => {
    const words = { 'aria-label': about(texts[verb], row.name), 'data-key': `${verb} ${row.id}` };
    const own: HTMLButtonElement = button(texts[verb], () => act(row, verb, own), words);
    return own;
  };
  const actions: Column = {
    head: texts.actions,
    cell: (row) => h('div', { class: 'bar' }, one(row, 'retry'), one(row, 'ignore')),
  };
  const paged: Paged = new Paged({
    caption: texts.flagged,
    path: '/v1/transfers/items/flagged',
    ...(job === undefined ? {} : { fixed: { job } }),
    columns: [...(job === undefined ? [ofJob] : []), ...columns, ...(mayManage() ? [actions] : [])],
    kept: 'flagged',
    empty: texts.noFlagged,
    drawn,
    signal,
  });
  return paged;
}
