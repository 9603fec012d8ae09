import type { Inode, RemoteId } from '../base/ids.js';
import { pathLength } from '../names/procore.js';
import { isLocal, NO_REMOTE } from './intent.js';
import type { Outbox } from './outbox.js';
import type { LocalItem } from './tree.js';

/**
 * Characters of the longest path below a folder, from the folder, 0 for an empty one: of what the server has in it, and
 * of what was put into it here and is to go up.
 */
export async function longestBelow(
  folder: LocalItem,
  { tree, intents }: Pick<Outbox, 'tree' | 'intents'>,
  atServer: (id: RemoteId) => Promise<number>,
): Promise<number> {
  const known = new Map<Inode, number | undefined>([[folder.inode, 0]]);
  /** Characters from the folder to an item; undefined for what is not below it. */
  const lengthTo = (inode: Inode): number | undefined => {
    if (known.has(inode)) return known.get(inode);
    const item = tree.item(inode);
    const parent = item && tree.parent(item);
    // Also where a damaged tree goes round in a circle.
    known.set(inode, undefined);
    const before = parent && lengthTo(parent.inode);
    const length = before === undefined ? undefined : before + Number(before > 0) + pathLength(item!.name);
    known.set(inode, length);
    return length;
  };
  let longest = folder.remoteId === NO_REMOTE ? 0 : await atServer(folder.remoteId);
  for (const intent of [...intents.all()]) {
    const length = intent.deleted || isLocal(intent) ? undefined : lengthTo(intent.inode);
    if (length === undefined || intent.inode === folder.inode) continue;
    const below = intent.folder && intent.remoteId !== NO_REMOTE ? await atServer(intent.remoteId) : 0;
    longest = Math.max(longest, length + (below === 0 ? 0 : 1 + below));
  }
  return longest;
}
