import type { Inode } from '../base/ids.js';
import type { Change } from '../mirror/database/changes.js';
import type { Outbox } from '../outbox/outbox.js';
import type { FileHandles } from './file-handles.js';
import type { Nodes } from './nodes.js';

/**
 * Updates the open files of a mount after changes: a handle reads from now on what is written through another mount.
 * Only items that are open are looked up, because a crawl reports thousands of changes.
 * @returns items that were removed or discarded here and reappear while still open: they need another node
 */
export function followOpen(
  changes: readonly Change[],
  { handles, nodes, outbox }: { readonly handles: FileHandles; readonly nodes: Nodes; readonly outbox: Outbox },
): Inode[] {
  const open = new Set(Array.from(handles.all(), ({ inode }) => inode));
  if (open.size === 0) return [];
  const cameBack: Inode[] = [];
  for (const { inode, rewritten } of changes) {
    const item = open.has(inode) ? outbox.tree.item(inode) : undefined;
    if (!item) continue;
    const node = nodes.of(item);
    const file = outbox.working(inode);
    if (rewritten && file) handles.share(node, file);
    const shown = handles.file(node);
    if (shown?.isUnlinked || shown?.detachedPlace) cameBack.push(inode);
  }
  return cameBack;
}
