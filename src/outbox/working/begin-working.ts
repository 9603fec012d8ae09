import type { ContentCache } from '../../cache/cache.js';
import { type LocalItem, versionOf } from '../tree/tree.js';
import type { Staging } from './staging.js';
import { WorkingFile } from './working-file.js';

/**
 * Opens what was staged of an item, or else begins with the content of its version.
 * @param truncate nothing of the content is wanted
 */
export async function beginWorking(
  item: LocalItem,
  truncate: boolean,
  staging: Staging,
  content: ContentCache,
): Promise<WorkingFile> {
  const { inode, intent } = item;
  let file: WorkingFile;
  if (intent?.staged) {
    file = new WorkingFile(inode, staging.open(inode, false));
    const { gaps } = intent;
    if (gaps && !truncate) {
      const version = { id: gaps.version, remoteId: gaps.item, size: gaps.size, label: item.name };
      file.resumeFrom(content.open(version), version, gaps);
    }
  } else {
    const version = versionOf(item);
    // What is damaged on disk must not become a new version.
    if (item.size > 0 && !truncate) await content.check(version);
    // Also what is truncated: whoever reads it goes through the kernel to this very file.
    const whole = item.size > 0 && content.take(version, staging.path(inode));
    file = new WorkingFile(inode, staging.open(inode, !whole));
    if (item.size > 0 && !whole && !truncate) file.startFrom(content.open(version), version);
    // Nothing else shows that it is emptied: there was nothing in the staging file before.
    if (item.size > 0 && !whole && truncate) file.truncate(0);
    if (!truncate) file.settle();
  }
  if (!truncate) file.setMtime(item.localMtime ?? item.versionAt);
  file.madeFrom = item.versionId;
  file.madeOf = item.remoteId;
  return file;
}
