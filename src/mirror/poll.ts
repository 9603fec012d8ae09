import type { IndexSource } from './index-source.js';
import { learnPageRows, pageRows } from './page-rows.js';
import type { MirrorStore } from './store.js';

/** Seconds before the last poll that the next one asks for again: time stamps are whole seconds, and clocks differ. */
const OVERLAP = 5;
/** The end of the range must be named: whether the API takes an open one is not known. */
const FAR = 366 * 24 * 3600;

/** Asks for what was updated since the last poll and takes it in: 1 call when little changed. */
export async function poll(store: MirrorStore, source: IndexSource, signal: AbortSignal): Promise<void> {
  const since = store.view.number('poll.at');
  if (since === undefined) return;
  const filter = { updatedFrom: since - OVERLAP, updatedTo: since + FAR };
  let began: number | undefined;
  let perPage = pageRows(store.view);
  for (let page = 1; ; page++) {
    const reply = await source.page({ page, perPage, filter }, { class: 'background', signal });
    began ??= reply.serverTime;
    const result = await store.ingestPage(reply, since - OVERLAP, {});
    perPage = await learnPageRows(store, perPage, page, result.rows, reply.total);
    const isLast = reply.total === undefined ? result.rows < perPage : page * perPage >= reply.total;
    if (isLast || result.rows === 0) break;
  }
  await store.setMeta({ 'poll.at': began });
}
