import { isFailure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { IndexSource } from './index-source.js';
import { listFolder } from './list-folder.js';

/** Lists the folder, or the nearest one above it that still exists: 1 call for each. @returns those requested */
export async function listNearest(
  store: MirrorStore,
  source: IndexSource,
  folder: RemoteId,
  options: CallOptions,
): Promise<readonly RemoteId[]> {
  const { view } = store;
  const asked: RemoteId[] = [];
  for (let at = view.byRemoteId(folder); at; at = view.parent(at)) {
    const parent = view.parent(at);
    asked.push(at.remoteId);
    try {
      await listFolder(store, source, parent ? at.remoteId : undefined, options);
      break;
    } catch (error) {
      if (!parent || !(isFailure(error, 'gone') || isFailure(error, 'not-permitted'))) throw error;
    }
  }
  return asked;
}
