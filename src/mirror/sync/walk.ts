import type { CallOptions } from '../../budget/calls.js';
import type { IndexFilter } from '../../procore/items.js';
import type { PageResult } from '../database/protocol.js';
import type { MirrorStore } from '../database/store.js';
import type { View } from '../database/view.js';
import type { IndexSource, RawPage, WalkStep } from './index-source.js';
import { indexForm, learnPageRows, type Paging, pageRows } from './page-rows.js';

/** The part of a page's result that decides where a walk continues. */
export type WalkedPage = Pick<PageResult, 'rows' | 'last'>;

/**
 * The next step of a walk: it continues at the second of the page's last row, so that no row is missed when rows are
 * updated meanwhile and change their place. Undefined at the end.
 */
export function nextStep(
  step: WalkStep,
  perPage: number,
  result: WalkedPage,
  total: number | undefined,
): WalkStep | undefined {
  const isLast = total === undefined ? result.rows < perPage : step.page * perPage >= total;
  if (isLast || result.rows === 0 || result.last === undefined) return undefined;
  return result.last > step.from ? { from: result.last, page: 1 } : { ...step, page: step.page + 1 };
}

/** As `nextStep`, and records what the reply shows of the index and its page size. */
export async function walkOn(
  store: MirrorStore,
  step: WalkStep,
  result: WalkedPage,
  paging: Paging,
): Promise<WalkStep | undefined> {
  const rows = await learnPageRows(store, step.page, result.rows, paging);
  const next = nextStep(step, rows, result, paging.total);
  return next && { ...next, rows };
}

/**
 * Requests the page of a step: 1 call. If another index answers, whose pages have another length, the step's second is
 * begun anew: 1 call more. Returns the step that the reply belongs to.
 */
export async function pageAt(
  store: MirrorStore,
  source: IndexSource,
  { from, page, rows }: WalkStep,
  filter: IndexFilter,
  call: CallOptions,
): Promise<{ readonly reply: RawPage; readonly step: WalkStep }> {
  const { view } = store;
  const form = indexForm(view);
  const perPage = pageRows(view);
  const step = { from, page: rows === undefined || rows === perPage ? page : 1, rows: perPage };
  const query = { perPage, filter: { ...filter, updatedFrom: from } };
  const reply = await source.page({ ...query, page: step.page }, call);
  if (step.page === 1 || reply.form === undefined || reply.form === form) return { reply, step };
  return { reply: await source.page({ ...query, page: 1 }, call), step: { ...step, page: 1 } };
}

/** Keys in `meta` of the step that a walk continues with after a restart. */
type WalkName = 'bin' | 'crawl' | 'sweep';

export const stepMeta = (
  name: WalkName,
  { from, page, rows }: WalkStep,
): Readonly<Record<string, number | string>> => ({
  [`${name}.from`]: from,
  [`${name}.page`]: page,
  [`${name}.rows`]: rows ?? '',
});

/** The recorded step; undefined: none. */
export function knownStep(view: View, name: WalkName): WalkStep | undefined {
  const from = view.number(`${name}.from`);
  return from === undefined
    ? undefined
    : { from, page: view.number(`${name}.page`) ?? 1, rows: view.number(`${name}.rows`) };
}
