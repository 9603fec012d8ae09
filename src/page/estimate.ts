import { list, type Row } from './api.js';
import { type Child, facts, grid, h, put, remote } from './dom.js';
import { bytesOf, wordOf } from './format.js';
import { texts } from './texts.js';

/** Maximum rows of each list under an estimate; for the rest, only the number is shown. */
const MOST = 20;

/** An estimate as a list of terms and values. */
export const estimateFacts = (estimate: Row): HTMLElement =>
  facts(
    Object.entries(estimate)
      .filter(([key, value]) => typeof value === 'number' && !['id', 'execution_id'].includes(key))
      .map(([key, value]) => [wordOf(key), key === 'bytes' ? bytesOf(value as number) : String(value)] as const),
  );

/** Shows the items that a simulation would flag or rename, before the first run. */
export async function showFindings(place: HTMLElement, run: Row, signal: AbortSignal): Promise<void> {
  const of = (words: Readonly<Record<string, string | number>>) =>
    list('/v1/transfers/items', { job: run.job_id, execution: run.id, limit: MOST, ...words }, signal);
  const [flagged, renamed] = await Promise.all([of({ status: 'flagged' }), of({ renamed: 1 })]);
  const table = (
    title: string,
    { rows, meta }: Awaited<ReturnType<typeof of>>,
    heads: readonly string[],
    cells: (row: Row) => Child[],
  ): Child[] =>
    rows.length === 0
      ? []
      : [
          h('h3', {}, title),
          grid(title, heads, rows.map(cells)),
          meta.total_count > rows.length ? h('p', {}, texts.more(meta.total_count - rows.length)) : null,
        ];
  put(
    place,
    ...table(texts.wouldFlag, flagged, [texts.item, texts.reason], (row) => [
      remote(row.source.path),
      remote(row.reason),
    ]),
    ...table(texts.wouldRename, renamed, [texts.item, texts.nameThere, texts.reason], (row) => [
      remote(row.source.path),
      remote(row.destination.path.split('/').at(-1)),
      remote(row.renamed),
    ]),
  );
}
