import type { CallOptions } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { IndexSource, WalkStep } from './index-source.js';
import { pageAt, walkOn } from './walk.js';

/** Seconds before the last poll that the next one covers again: timestamps are whole seconds, and clocks differ. */
const OVERLAP_S = 5;
/** Seconds before the last such poll that some polls cover again, to find rows that came into a lagging index late. */
const LAG = 120;
/** Seconds between two such polls. */
const LAG_EVERY_S = 60;
/** Seconds. The range needs an explicit end: it is not known whether the API accepts an open one. */
export const FAR_S = 366 * 24 * 3600;
/** Seconds by which the server that answers a poll may lag behind the one that answered the last poll. */
const BEHIND_S = 60;
/** Consecutive replies with an earlier server time than the last poll, after which that one's time counts as wrong. */
const WRONG = 2;
/** Seconds by which the time of a poll may advance without the previous time being recorded. */
const LEAP_S = 3600;

/**
 * Requests everything updated since the last poll and stores it: 1 call if little changed. A reply that is earlier than
 * the last poll is asked for again at once, because the server's clock may have been wrong at that poll.
 */
export async function poll(store: MirrorStore, source: IndexSource, call: CallOptions): Promise<void> {
  for (let earlier = 1; earlier <= WRONG + 1; earlier++) {
    const now = await pollOnce(store, source, call);
    if (now === undefined) return;
    if (earlier === WRONG) await setBack(store, now);
  }
}

/** Returns the server time if it is earlier than that of the last poll; then that remains the last poll. */
async function pollOnce(store: MirrorStore, source: IndexSource, call: CallOptions): Promise<number | undefined> {
  const { view } = store;
  const last = view.number('poll.at');
  if (last === undefined) return;
  const knownDeep = view.number('poll.deep');
  const lastDeep = knownDeep ?? last;
  const isDeep = last - lastDeep >= LAG_EVERY_S;
  const since = isDeep ? lastDeep - LAG : last - OVERLAP_S;
  let began: number | undefined;
  for (let step: WalkStep | undefined = { from: since, page: 1 }; step; ) {
    const { reply, step: at } = await pageAt(store, source, step, { updatedTo: last + FAR_S }, call);
    began ??= reply.serverTime;
    step = await walkOn(store, at, await store.ingestPage(reply, since, {}), reply);
  }
  if (began! < last - BEHIND_S) return began;
  const at = Math.max(last, began!);
  await store.setMeta({
    'poll.at': at,
    ...(at - last > LEAP_S ? { 'poll.before': last } : {}),
    ...(isDeep ? { 'poll.deep': at } : knownDeep === undefined ? { 'poll.deep': last } : {}),
  });
}

/** The server's clock is at `now`: it was set, or was wrong at the last poll. */
function setBack(store: MirrorStore, now: number): Promise<unknown> {
  const last = store.view.number('poll.at')!;
  const before = store.view.number('poll.before');
  const since = before !== undefined && before < now ? before : last - LEAP_S;
  return store.setBack(now, Math.min(now, since) - LAG);
}
