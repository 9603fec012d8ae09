import { Failure } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import { type Arguments, forwardWriting, type Operation } from '../../fuse/forwarding.js';
import type { WritingOperations } from '../../fuse/operations.js';
import { META_FOLDER } from '../../names/linux.js';
import type { HiddenFolder } from './hidden-folder.js';
import { isHidden } from './places.js';

/**
 * The writing operations of a project, except that the hidden folder and its content are read-only. No other item can
 * get its name; an item with this name at the server is shown under another name.
 */
export function outsideHidden(inner: WritingOperations, hidden: HiddenFolder, root: NodeId): WritingOperations {
  const check = (operation: Operation, args: Arguments): void => {
    // Places in files were checked when the files were opened; what is only copied from may be hidden.
    if (operation.effect !== 'changes' || operation.isOfPositions) return;
    if (operation.someNode(args, isHidden)) throw hidden.refusal(operation.context(args));
    for (const { folder, name, isNew } of operation.names(args)) {
      if (name !== META_FOLDER) continue;
      if (folder === root) throw hidden.refusal(operation.context(args));
      if (isNew) throw new Failure('name-refused', { name, why: 'the mount keeps that name to itself' });
    }
  };
  return forwardWriting({
    check,
    run: (operation, args) => {
      // Nothing in the hidden folder waits to be made durable.
      if (operation.effect === 'syncs' && operation.someNode(args, isHidden)) return undefined;
      return operation.on(inner, args);
    },
  });
}
