import type { PageResult } from '../database/protocol.js';
import type { MirrorStore } from '../database/store.js';
import type { WalkStep } from './index-source.js';
import { learnPageRows, type Paging, pageRows } from './page-rows.js';

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

/** As `nextStep`, and records what the reply shows of the page size. */
export async function walkOn(
  store: MirrorStore,
  step: WalkStep,
  result: WalkedPage,
  paging: Paging,
): Promise<WalkStep | undefined> {
  const asked = pageRows(store.view);
  return nextStep(step, await learnPageRows(store, asked, step.page, result.rows, paging), result, paging.total);
}
