import { call, type Row } from './api.js';
import { about, button, h, remote } from './dom.js';
import { bytesOf, captionOf, timeOf } from './format.js';
import { Paged } from './pages.js';
import { attempt } from './screen.js';
import { forManagers, mayManage } from './session.js';
import { texts } from './texts.js';

const UPLOADS = '/v1/mounts/uploads';

type Verb = 'retry' | 'release' | 'discard';

/** Whether an action applies to a change in its current state. */
const FITS: Readonly<Record<Verb, (row: Row) => boolean>> = {
  retry: ({ state, attempts }) => state === 'failed' || (state === 'waiting' && attempts > 0),
  release: ({ state }) => state === 'held',
  discard: ({ state }) => state !== 'uploading' && state !== 'kept' && state !== 'late',
};
const VERBS = Object.keys(FITS) as Verb[];

/** The list of changes that wait for upload, with buttons; calls `changed` after an action. */
export function uploadList(mountpoint: string, told: HTMLElement, signal: AbortSignal, changed: () => void) {
  const act = (verb: Verb, ids?: readonly number[]): void => {
    if (verb === 'discard' && !confirm(texts.discardUpload)) return;
    void attempt(told, async () => {
      await call('POST', `${UPLOADS}/${verb}`, { mountpoint, ...(ids ? { ids } : {}) });
      await paged.load();
      changed();
    });
  };
  const one = (verb: Verb, row: Row): HTMLElement =>
    button(texts[verb], () => act(verb, [row.id]), {
      'aria-label': about(texts[verb], row.path),
      'data-key': `${verb} ${row.id}`,
    });
  const paged: Paged = new Paged({
    caption: texts.uploads,
    path: UPLOADS,
    fixed: { mountpoint },
    isSearchable: false,
    empty: texts.noUploads,
    signal,
    columns: [
      { head: texts.item, cell: (row) => remote(row.path) },
      { head: texts.action, cell: (row) => captionOf(texts.uploadWords, row.what) },
      {
        head: texts.state,
        cell: (row) =>
          h('span', { class: row.state === 'failed' ? 'bad' : undefined }, captionOf(texts.uploadStates, row.state)),
      },
      { head: texts.since, cell: (row) => timeOf(Date.parse(row.since) / 1000) },
      { head: texts.attempts, cell: (row) => row.attempts },
      { head: texts.sent, cell: (row) => `${bytesOf(row.sent)} / ${bytesOf(row.bytes)}` },
      { head: texts.reason, cell: (row) => remote(row.reason) },
      ...(mayManage()
        ? [
            {
              head: texts.actions,
              cell: (row: Row) =>
                h('div', { class: 'bar' }, ...VERBS.filter((verb) => FITS[verb](row)).map((verb) => one(verb, row))),
            },
          ]
        : []),
    ],
  });
  const actions = forManagers(() =>
    h(
      'div',
      { class: 'bar' },
      button(texts.retryAll, () => act('retry')),
      button(texts.releaseAll, () => act('release')),
    ),
  );
  return { paged, actions };
}
