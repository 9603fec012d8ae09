import { Failure } from '../base/errors.js';
import type { BadRow, RemoteItem } from './items.js';
import { members, rows } from './json-members.js';
import { convertRows, toFile, toFolder } from './rows.js';

const CHILDREN = { folders: toFolder, files: toFile } as const;
const CALL = 'GET /rest/v1.0/folders';

/**
 * The reply for a folder; its children, of which there may be a hundred thousand, are parsed while they are iterated.
 */
export interface Listing {
  readonly folder: RemoteItem;
  /** Can be iterated once. @throws Failure `bad-reply` */
  readonly children: Iterable<RemoteItem>;
  /** Children that could not be parsed, as far as the iteration has come. */
  readonly bad: readonly BadRow[];
}

/**
 * Parses a reply of `/folders`: a folder alone or with its direct children. Pure, so that a worker thread can do it.
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
