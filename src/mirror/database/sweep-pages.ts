import { parseIndexPage } from '../../procore/rows.js';
import { unpacked } from '../../procore/transport/body.js';
import { rowsShown } from '../sync/page-rows.js';
import { nextStep } from '../sync/walk.js';
import type { Missing } from './absence.js';
import { pageResult, type Told } from './page-result.js';
import type { SweepResult, WriterRequest } from './protocol.js';
import type { Writer } from './writer.js';

const NOTHING: Missing = { changes: [], doubtful: [], folders: [] };

/** The writer's part of a sweep: compares pages of the index, in order of the last update, with the mirror. */
export class SweepPages {
  readonly #writer: Writer;
  /** Items of the pages so far, while all rows are of one second. */
  #present = new Set<number>();
  #isReliable = true;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  page(request: Extract<WriterRequest, { op: 'sweep' }>): SweepResult & Told {
    const { from, page, perPage, total, serverTime, knownSince } = request;
    const { items, bad } = parseIndexPage(unpacked(request.body));
    const taken = pageResult(this.#writer.ingest(items, serverTime, knownSince, {}), items, bad);
    if (page === 1) {
      this.#present = new Set();
      this.#isReliable = true;
    }
    for (const { id } of items) this.#present.add(id);
    for (const { id } of bad) {
      if (id === undefined) this.#isReliable = false;
      else this.#present.add(id);
    }
    if (items.some((item, n) => n > 0 && item.updatedAt < items[n - 1]!.updatedAt)) this.#isReliable = false;
    const next = nextStep({ from, page }, rowsShown(page, taken.rows, { total, perPage }), taken, total);
    // A second that continues on the next page is compared when it is complete.
    const to = next === undefined ? Number.MAX_SAFE_INTEGER : next.from;
    const missing =
      this.#isReliable && to > from ? this.#writer.missing({ from, to }, this.#present, serverTime) : NOTHING;
    return { ...taken, changes: [...taken.changes, ...missing.changes], ...only(missing) };
  }
}

const only = ({ doubtful, folders }: Missing): Pick<Missing, 'doubtful' | 'folders'> => ({ doubtful, folders });
