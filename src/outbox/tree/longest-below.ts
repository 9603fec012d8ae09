import type { Inode, RemoteId } from '../../base/ids.js';
import type { FolderAt } from '../../mirror/database/index-positions.js';
import { pathLength } from '../../names/procore.js';
import { isLocal, NO_REMOTE } from '../intents/intent.js';
import type { Intents } from '../intents/intents.js';
import type { LongestAtServer } from '../outbox-options.js';
import type { LocalItem, Tree } from './tree.js';

/**
 * Characters of the longest path below a folder, from the folder; 0 for an empty one. Counts what is in it here and is,
 * or is to be, at the server. An item that has left it here does not count, whether the server knows that yet or not.
 */
export async function longestBelow(
  folder: LocalItem,
  { tree, intents }: { readonly tree: Tree; readonly intents: Intents },
  atServer: LongestAtServer,
): Promise<number> {
  const known = new Map<Inode, number | undefined>([[folder.inode, 0]]);
  /** Characters from the folder to an item; undefined if it is not below the folder. */
  const lengthTo = (inode: Inode): number | undefined => {
    if (known.has(inode)) return known.get(inode);
    const item = tree.item(inode);
    const parent = item && tree.parent(item);
    // Set first, so that a cycle in a damaged tree ends.
    known.set(inode, undefined);
    const before = parent && lengthTo(parent.inode);
    const length = before === undefined ? undefined : before + Number(before > 0) + pathLength(item!.name);
    known.set(inode, length);
    return length;
  };
  const folders: FolderAt[] = folder.remoteId === NO_REMOTE ? [] : [{ id: folder.remoteId, length: 0 }];
  // Server items whose place is the one in their intent.
  const elsewhere: RemoteId[] = [];
  let longest = 0;
  for (const intent of intents.all()) {
    if (intent.inode === folder.inode) continue;
    if (intent.remoteId !== NO_REMOTE) elsewhere.push(intent.remoteId);
    const length = intent.deleted || isLocal(intent) ? undefined : lengthTo(intent.inode);
    if (length === undefined) continue;
    longest = Math.max(longest, length);
    if (intent.folder && intent.remoteId !== NO_REMOTE) folders.push({ id: intent.remoteId, length });
  }
  return folders.length === 0 ? longest : Math.max(longest, await atServer(folders, elsewhere));
}
