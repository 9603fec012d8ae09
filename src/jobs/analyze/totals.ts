import { setImmediate } from 'node:timers/promises';
import { isFailure } from '../../base/errors.js';
import type { Endpoint } from '../endpoint.js';

/** Total content of a tree. */
export interface Totals {
  readonly files: number;
  readonly bytes: number;
  readonly folders: number;
  /** Folders whose listing failed; what was not listed is not counted. */
  readonly unreadable: number;
}

export const NOTHING: Totals = { files: 0, bytes: 0, folders: 0, unreadable: 0 };

export const sumOf = (a: Totals, b: Totals): Totals => ({
  files: a.files + b.files,
  bytes: a.bytes + b.bytes,
  folders: a.folders + b.folders,
  unreadable: a.unreadable + b.unreadable,
});

/** Items between two yields to other tasks. */
const TURN_ITEMS = 300;

/** Walks a tree once. Memory use grows with the number of folders that are still to be listed. */
export async function totalsOf(endpoint: Endpoint, signal: AbortSignal): Promise<Totals> {
  const total = { files: 0, bytes: 0, folders: 0, unreadable: 0 };
  let seen = 0;
  const left = [''];
  for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
    try {
      for await (const item of endpoint.list(folder, signal)) {
        if (item.folder) {
          total.folders++;
          left.push(item.path);
        } else {
          total.files++;
          total.bytes += item.size;
        }
        if (++seen % TURN_ITEMS > 0) continue;
        await setImmediate();
        signal.throwIfAborted();
      }
    } catch (error) {
      if (folder === '' || signal.aborted || !isFailure(error)) throw error;
      total.unreadable++;
    }
  }
  return total;
}
