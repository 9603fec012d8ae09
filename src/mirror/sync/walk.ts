import type { PageResult } from '../database/protocol.js';
import type { MirrorStore } from '../database/store.js';
import type { WalkStep } from './index-source.js';
import { learnPageRows, type Paging, pageRows } from './page-rows.js';

/** What tells where a walk goes on. */
export type WalkedPage = Pick<PageResult, 'rows' | 'last'>;

/**
 * Where a walk goes on after a page: at the second of its last row, so that nothing slips through when rows that are
 * updated meanwhile leave their place. Undefined at the end.
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

/** Rows to ask for, and what the reply teaches about it. */
export async function walkOn(
  store: MirrorStore,
  step: WalkStep,
  result: WalkedPage,
  paging: Paging,
): Promise<WalkStep | undefined> {
  const asked = pageRows(store.view);
  return nextStep(step, await learnPageRows(store, asked, step.page, result.rows, paging), result, paging.total);
}
