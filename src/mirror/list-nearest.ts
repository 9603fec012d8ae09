import { isFailure } from '../base/errors.js';
import type { RemoteId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { IndexSource } from './index-source.js';
import { listFolder } from './list-folder.js';
import type { MirrorStore } from './store.js';

/** Lists the folder, or the nearest one above it that is still there: 1 call for each. */
export async function listNearest(
  store: MirrorStore,
  source: IndexSource,
  folder: RemoteId,
  options: CallOptions,
): Promise<void> {
  const { view } = store;
  for (let at = view.byRemoteId(folder); at; at = view.parent(at)) {
    const parent = view.parent(at);
    try {
      await listFolder(store, source, parent ? at.remoteId : undefined, options);
      return;
    } catch (error) {
      if (!parent || !(isFailure(error, 'gone') || isFailure(error, 'not-permitted'))) throw error;
    }
  }
}
