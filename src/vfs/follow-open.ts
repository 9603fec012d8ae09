import type { Inode } from '../base/ids.js';
import type { Change } from '../mirror/database/changes.js';
import type { Outbox } from '../outbox/outbox.js';
import type { FileHandles } from './file-handles.js';
import type { Nodes } from './nodes.js';

/**
 * What is open at a mount follows what changed: who has it open reads from now on what is written to it through another
 * mount. Returns what was removed or given up here and comes back while that is still open: it needs another node. A crawl
 * tells of thousands of items, of which few are open: nothing else is looked up.
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
    if (shown?.isUnlinked || shown?.aside) cameBack.push(inode);
  }
  return cameBack;
}
