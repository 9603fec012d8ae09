import type { CallOptions } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { IndexSource, WalkStep } from './index-source.js';
import { pageRows } from './page-rows.js';
import { walkOn } from './walk.js';

/** Seconds before the last poll that the next one asks for again: time stamps are whole seconds, and clocks differ. */
const OVERLAP_S = 5;
/** The index may lag: now and then a poll asks for so much again, which shows what came into it late. Seconds. */
const LAG = 120;
/** Seconds between two such polls. */
const LAG_EVERY_S = 60;
/** The end of the range must be named: whether the API takes an open one is not known. */
export const FAR_S = 366 * 24 * 3600;
/** Seconds: who answers a poll may be so far behind who answered the last one. */
const BEHIND_S = 60;
/** Polls in a row that are answered before the last one was, after which that one's time was wrong. */
const WRONG = 2;
/** Seconds by which the time of a poll may go on at once without a note of the one before. */
const LEAP_S = 3600;

/** Asks for what was updated since the last poll and takes it in: 1 call when little changed. */
export async function poll(store: MirrorStore, source: IndexSource, call: CallOptions): Promise<void> {
  const { view } = store;
  const last = view.number('poll.at');
  if (last === undefined) return;
  const knownDeep = view.number('poll.deep');
  const lastDeep = knownDeep ?? last;
  const isDeep = last - lastDeep >= LAG_EVERY_S;
  const since = isDeep ? lastDeep - LAG : last - OVERLAP_S;
  let began: number | undefined;
  for (let step: WalkStep | undefined = { from: since, page: 1 }; step; ) {
    const { from, page }: WalkStep = step;
    const query = { page, perPage: pageRows(view), filter: { updatedFrom: from, updatedTo: last + FAR_S } };
    const reply = await source.page(query, call);
    began ??= reply.serverTime;
    step = await walkOn(store, step, await store.ingestPage(reply, since, {}), reply);
  }
  if (began! < last - BEHIND_S) return await behind(store, last, began!);
  const at = Math.max(last, began!);
  await store.setMeta({
    'poll.at': at,
    'poll.behind': 0,
    ...(at - last > LEAP_S ? { 'poll.before': last } : {}),
    ...(isDeep ? { 'poll.deep': at } : knownDeep === undefined ? { 'poll.deep': last } : {}),
  });
}

/** A poll came before the last one, by the server's clock: that was set, or was wrong when the last one came. */
async function behind(store: MirrorStore, last: number, now: number): Promise<void> {
  const times = (store.view.number('poll.behind') ?? 0) + 1;
  if (times < WRONG) return void (await store.setMeta({ 'poll.behind': times }));
  const before = store.view.number('poll.before');
  const since = before !== undefined && before < now ? before : last - LEAP_S;
  await store.setBack(now, Math.min(now, since) - LAG);
}
