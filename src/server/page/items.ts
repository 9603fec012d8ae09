import { call, type Row } from './api.js';
import { button, h, remote } from './dom.js';
import { type Column, Paged } from './pages.js';
import { attempt } from './screen.js';
import { bytesOf, captionOf, texts, timeOf } from './texts.js';

const columns: readonly Column[] = [
  { head: texts.item, cell: (row) => remote(row.source.path) },
  { head: texts.action, cell: (row) => row.action },
  { head: texts.status_, cell: (row) => captionOf(texts.itemStatuses, row.status) },
  { head: texts.reason, cell: (row) => remote(row.reason ?? row.renamed) },
  { head: texts.bytes, cell: (row) => (row.type === 'folder' ? texts.none : bytesOf(row.source.bytes)) },
  { head: texts.attempts, cell: (row) => row.attempts },
  { head: texts.when, cell: (row) => timeOf(row.transferred_on) },
];

/** What a run did with each item. */
export const itemList = (job: string, signal: AbortSignal): Paged =>
  new Paged({
    caption: texts.items,
    path: '/v1/transfers/items',
    fixed: { job },
    filters: [{ key: 'status', label: texts.status_, options: texts.itemStatuses }],
    columns,
    empty: texts.noItems,
    signal,
  });

/** What a person must look at, of one job or of all, with what can be done about it. */
export function flaggedList(job: string | undefined, told: HTMLElement, signal: AbortSignal): Paged {
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
    const words = { 'aria-label': `${texts[verb]}: ${row.name}`, 'data-key': `${verb} ${row.id}` };
    const own: HTMLButtonElement = button(texts[verb], () => act(row, verb, own), words);
    return own;
  };
  const paged = new Paged({
    caption: texts.flagged,
    path: '/v1/transfers/items/flagged',
    ...(job === undefined ? {} : { fixed: { job } }),
    columns: [
      ...(job === undefined
        ? [
            {
              head: texts.job,
              cell: (row: Row) => h('a', { href: `#/jobs/${row.job_id}/flagged` }, row.job_id),
            },
          ]
        : []),
      ...columns,
      { head: texts.actions, cell: (row) => h('div', { class: 'bar' }, one(row, 'retry'), one(row, 'ignore')) },
    ],
    empty: texts.noFlagged,
    signal,
  });
  return paged;
}
