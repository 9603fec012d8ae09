import type { ContentCache } from '../../cache/cache.js';
import { type LocalItem, versionOf } from '../tree/tree.js';
import type { Staging } from './staging.js';
import { WorkingFile } from './working-file.js';

/**
 * Opens an item's staging file, or else begins one with the content of the item's version.
 * @param truncate the present content is not needed
 */
export async function beginWorking(
  item: LocalItem,
  truncate: boolean,
  staging: Staging,
  content: ContentCache,
): Promise<WorkingFile> {
  const { inode, intent } = item;
  let file: WorkingFile;
  if (intent?.content.staged) {
    file = new WorkingFile(inode, staging.open(inode, false));
    const { gaps } = intent.content;
    if (gaps && !truncate) {
      const version = { id: gaps.version, remoteId: gaps.item, size: gaps.size, label: item.name };
      file.resumeFrom(content.open(version), version, gaps);
    }
  } else {
    const version = versionOf(item);
    // Content that is damaged on disk must not become a new version.
    if (item.size > 0 && !truncate) await content.check(version);
    // Taken even when it is truncated, since readers reach this very file through the kernel.
    const whole = item.size > 0 && content.take(version, staging.path(inode));
    file = new WorkingFile(inode, staging.open(inode, !whole));
    if (item.size > 0 && !whole && !truncate) file.startFrom(content.open(version), version);
    // The staging file was empty before, so nothing else shows that the content was emptied.
    if (item.size > 0 && !whole && truncate) file.truncate(0);
    if (!truncate) file.settle();
  }
  if (!truncate) file.setMtime(item.localMtime ?? item.versionAt);
  file.madeFrom = item.versionId;
  file.madeOf = item.remoteId;
  return file;
}
