import { Failure } from '../base/errors.js';
import { META_FOLDER } from '../names/linux.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import { BIN_FOLDER } from '../vfs/hidden/hidden-folder.js';
import type { Project } from './project.js';

/**
 * Reads a path of the project from the server again: the content of a folder, the recycle bin, or the versions of a
 * file. 1 call.
 * @throws Failure `no-such-item`, or of the call
 */
export async function refreshPath(project: Project, path: string, signal: AbortSignal): Promise<void> {
  const names = path.split('/');
  const hidden = names.indexOf(META_FOLDER);
  const [branch, ...below] = hidden < 0 ? [] : names.slice(hidden + 1);
  if (branch === BIN_FOLDER) {
    await project.mirror.bin.look('interactive', signal, true);
    return;
  }
  const at = hidden < 0 ? path : [...names.slice(0, hidden), ...below].join('/');
  const item = await project.find(at, 'interactive', signal);
  const known = hidden >= 0 && item.isFile ? project.mirror.view.byRemoteId(item.remoteId) : undefined;
  if (known) {
    await project.versions.renew(known, signal);
    return;
  }
  const folder = item.isFile ? project.outbox.tree.parent(item) : item;
  if (!folder) throw new Failure('no-such-item', { path });
  // A folder that is not at the server yet has no content there.
  if (folder.remoteId !== NO_REMOTE) await project.mirror.refresh(folder, 'interactive', signal);
}
