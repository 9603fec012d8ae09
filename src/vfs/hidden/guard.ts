import { Failure } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import type { Context, WritableFileSystem } from '../../fuse/filesystem.js';
import { META_FOLDER } from '../../names/linux.js';
import type { HiddenFolder } from './hidden-folder.js';
import { isHidden } from './places.js';

/**
 * The writing operations of a project, except that the hidden folder and its content are read-only. No other item can
 * get its name; an item with this name at the server is shown under another name.
 */
export function outsideHidden(inner: WritableFileSystem, hidden: HiddenFolder, root: NodeId): WritableFileSystem {
  const require = (node: NodeId, context: Context): void => {
    if (isHidden(node)) throw hidden.refusal(context);
  };
  const requireOld = (parent: NodeId, name: string, context: Context): void => {
    require(parent, context);
    if (name === META_FOLDER && parent === root) throw hidden.refusal(context);
  };
  const requireNew = (parent: NodeId, name: string, context: Context): void => {
    requireOld(parent, name, context);
    if (name === META_FOLDER) throw new Failure('name-refused', { name, why: 'the mount keeps that name to itself' });
  };
  return {
    ...inner,
    setattr: (node, changes, handle, context) => {
      require(node, context);
      return inner.setattr(node, changes, handle, context);
    },
    create: (parent, name, mode, flags, context) => {
      requireNew(parent, name, context);
      return inner.create(parent, name, mode, flags, context);
    },
    fsyncdir: (node, dataOnly, context) => (isHidden(node) ? undefined : inner.fsyncdir(node, dataOnly, context)),
    mkdir: (parent, name, mode, context) => {
      requireNew(parent, name, context);
      return inner.mkdir(parent, name, mode, context);
    },
    unlink: (parent, name, context) => {
      requireOld(parent, name, context);
      return inner.unlink(parent, name, context);
    },
    rmdir: (parent, name, context) => {
      requireOld(parent, name, context);
      return inner.rmdir(parent, name, context);
    },
    rename: (parent, name, newParent, newName, replace, context) => {
      requireOld(parent, name, context);
      requireNew(newParent, newName, context);
      return inner.rename(parent, name, newParent, newName, replace, context);
    },
    setxattr: (node, name, value, condition, context) => {
      require(node, context);
      return inner.setxattr(node, name, value, condition, context);
    },
    removexattr: (node, name, context) => {
      require(node, context);
      return inner.removexattr(node, name, context);
    },
  };
}
