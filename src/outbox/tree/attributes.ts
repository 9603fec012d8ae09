import { NO_VERSION } from '../intents/intent.js';
import type { Intents } from '../intents/intents.js';
import type { LocalItem, Tree } from './tree.js';

/** Sets times (seconds) and mode, kept here until a foreign version arrives. */
export function setAttributes(
  { tree, intents }: { readonly tree: Tree; readonly intents: Intents },
  item: LocalItem,
  mtime: number | undefined,
  mode: number | undefined,
): void {
  const current = tree.item(item.inode);
  // Nobody else can see those of an older version or of an unlinked item.
  if (!current || (item.isFile && current.sequence !== item.sequence)) return;
  const { intent } = current;
  if (mtime !== undefined) tree.folderTimes.forget(item.inode);
  if (intent) {
    const { here } = intent;
    intents.put({ ...intent, here: { ...here, mtime: mtime ?? here.mtime, mode: mode ?? here.mode } });
  }
  // A new version carries them on. Any other intent may end without a call, and a folder's call does not carry them.
  if (intent?.content.dirty) return;
  const versionId = item.isFile ? current.versionId : NO_VERSION;
  const before = intents.attributes(item.inode);
  const kept = before && before.versionId === versionId ? before : undefined;
  intents.setAttributes(item.inode, { versionId, mtime: mtime ?? kept?.mtime, mode: mode ?? kept?.mode });
}
