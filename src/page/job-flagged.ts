import { address, call, type Row } from './api.js';
import { button, h, put } from './dom.js';
import { flaggedList } from './items.js';
import { type Refresh, refreshing } from './pages.js';
import { attempt } from './screen.js';
import { forManagers } from './session.js';
import { texts } from './texts.js';

/** Shows the flagged items of the last run of a job, with buttons that apply to all of them. */
export function showFlagged(job: Row, body: HTMLElement, told: HTMLElement, signal: AbortSignal): Promise<Refresh> {
  const all = (verb: 'retry' | 'ignore') => (): void =>
    void attempt(told, async () => {
      await call('PATCH', address('/v1/transfers/items', { job: job.id, [verb]: 1 }));
      await paged.load();
    });
  const permit = (): void => {
    if (!confirm(texts.confirmDeletions)) return;
    void attempt(told, async () => void (await call('PATCH', `/v1/jobs/${job.id}?start=1&allow_deletions=1`)));
  };
  const deletions = button(texts.allowDeletions, permit);
  deletions.hidden = true;
  const paged = flaggedList(job.id, told, signal, (rows) => {
    deletions.hidden = !rows.some(({ action }) => action.startsWith('delete'));
  });
  put(
    body,
    forManagers(() =>
      h(
        'div',
        { class: 'bar' },
        button(texts.retryAll, all('retry')),
        button(texts.ignoreAll, all('ignore')),
        deletions,
      ),
    ),
    paged.element,
  );
  return refreshing(paged, signal);
}
