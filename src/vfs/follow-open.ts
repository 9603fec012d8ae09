import type { Inode } from '../base/ids.js';
import type { Change } from '../mirror/database/changes.js';
import type { ShownProject } from './shown-project.js';

/**
 * Updates the open files of a mount after changes: a handle reads from now on what is written through another mount.
 * Only items that are open are looked up, because a crawl reports thousands of changes.
 * @returns items whose node is open with content that is not theirs any more: it was removed or discarded here, or is
 *   kept as another file after a conflict. They need another node
 */
export function followOpen(changes: readonly Change[], { project, tree, handles, nodes }: ShownProject): Inode[] {
  const open = new Set(Array.from(handles.all(), ({ inode }) => inode));
  if (open.size === 0) return [];
  const cameBack: Inode[] = [];
  for (const { inode, rewritten } of changes) {
    const item = open.has(inode) ? tree.item(inode) : undefined;
    if (!item) continue;
    const node = nodes.of(item);
    const file = project.outbox.working(inode);
    if (rewritten && file) handles.share(node, file);
    const shown = handles.file(node);
    if (shown && (shown.isUnlinked || shown.detachedPlace || shown.inode !== inode)) cameBack.push(inode);
  }
  return cameBack;
}
