import { mkdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { Failure, isFailure } from '../../base/errors.js';
import { realPath } from '../../base/real-path.js';
import type { OpenOptions, TargetDefinition } from '../definition.js';
import { checkPath } from '../paths.js';
import { rulesOf } from '../rules.js';
import { folderFailure } from './failures.js';
import { FolderTarget } from './folder-target.js';
import { folderRules } from './probe.js';
import { FolderRoot, requireMounted, requireWithin } from './root.js';

/** Opens a folder of this machine or of a share mounted on it. */
export async function openFolder(definition: TargetDefinition, options: OpenOptions): Promise<FolderTarget> {
  const { uri, mountpoint, within } = definition;
  if (!isAbsolute(uri)) throw new Failure('usage', { what: `"${uri}" is no absolute path` });
  const path = options.path ?? '';
  checkPath(path, uri);
  const top = await openTop(definition, options.create === true);
  // Before any folder is created: a share that is not mounted leaves an empty folder.
  requireMounted(join(top.path, path), options.mountedAt);
  if (path === '') return new FolderTarget(top, await folderRules(top, options.mayWrite));
  try {
    await top.folder(path, async () => undefined);
  } catch (error) {
    if (!options.create || !isFailure(error, 'target-missing')) throw error;
    await new FolderTarget(top, rulesOf('linux')).mkdir(path, options.signal);
  }
  const root = await FolderRoot.open(join(top.path, path), mountpoint, within);
  return new FolderTarget(root, await folderRules(root, options.mayWrite));
}

/** A missing folder is created only once the expected file system is known to be mounted. */
async function openTop({ uri, mountpoint, within }: TargetDefinition, create: boolean): Promise<FolderRoot> {
  try {
    return await FolderRoot.open(uri, mountpoint, within);
  } catch (error) {
    if (!create || !isFailure(error, 'target-missing')) throw error;
    requireWithin(realPath(uri), within);
    try {
      await mkdir(uri, { recursive: true });
    } catch (cause) {
      throw folderFailure(cause, uri, '', false);
    }
    return FolderRoot.open(uri, mountpoint, within);
  }
}
