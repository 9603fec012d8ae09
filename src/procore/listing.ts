import { Failure } from '../base/errors.js';
import type { BadRow, RemoteItem } from './items.js';
import { members, rows } from './json-members.js';
import { convertRows, toFile, toFolder } from './rows.js';

const CHILDREN = { folders: toFolder, files: toFile } as const;
const CALL = 'GET /rest/v1.0/folders';

/** A folder's reply, taken apart: its children, which may be a hundred thousand, are understood as they are asked for. */
export interface Listing {
  readonly folder: RemoteItem;
  /** Once. @throws Failure `bad-reply` */
  readonly children: Iterable<RemoteItem>;
  /** Children that were not understood, as far as they were asked for. */
  readonly bad: readonly BadRow[];
}

/**
 * A folder as `/folders` answers it, alone or with its direct children. Pure, so that a worker thread can do it.
 * @throws Failure `bad-reply`
 */
export function parseListing(body: Uint8Array, host = 'Procore', call: string = CALL): Listing {
  const understand = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const why = error instanceof SyntaxError ? { why: 'it is not JSON' } : {};
      throw new Failure('bad-reply', { host, call, ...why }, error);
    }
  };
  const { spans, others } = understand(() => members(body, Object.keys(CHILDREN)));
  const bad: BadRow[] = [];
  function* children(): Iterable<RemoteItem> {
    for (const [key, convert] of Object.entries(CHILDREN)) {
      const batches = rows(body, spans.get(key));
      for (let batch = understand(() => batches.next()); !batch.done; batch = understand(() => batches.next())) {
        const converted = convertRows(batch.value, convert);
        bad.push(...converted.bad);
        yield* converted.items;
      }
    }
  }
  return { folder: understand(() => toFolder(others)), children: children(), bad };
}
