import type { VersionId } from '../../base/ids.js';
import type { BadRow, RemoteItem } from '../../procore/items.js';
import type { parseIndexPage } from '../../procore/rows.js';
import type { Change } from './changes.js';
import type { PageResult, ReadPage, ReadRow } from './protocol.js';
import type { Ingested } from './writer.js';

const MOST_BAD = 100;

/** The changes, which the writer thread reports separately from the result. */
export interface Told {
  readonly changes: readonly Change[];
}

/** The writer thread's answer after storing a reply. */
export function pageResult(done: Ingested, items: readonly RemoteItem[], bad: readonly BadRow[]): PageResult & Told {
  return {
    changes: done.changes,
    added: done.added,
    changed: done.changes.length,
    rows: items.length + bad.length,
    bad: bad.slice(0, MOST_BAD),
    first: items[0]?.updatedAt,
    last: items.at(-1)?.updatedAt,
  };
}

/** The content of a page that is not stored. */
export const readIndexPage = ({ items, bad }: ReturnType<typeof parseIndexPage>): ReadPage => ({
  items: items.map(toReadRow),
  rows: items.length + bad.length,
  last: items.at(-1)?.updatedAt,
});

export const toReadRow = ({ id, version, createdAt, updatedAt, deleted }: RemoteItem): ReadRow => ({
  id,
  version: version?.id ?? (0 as VersionId),
  madeAt: version?.createdAt ?? createdAt,
  createdAt,
  updatedAt,
  deleted,
});
