import type { Inode } from '../base/ids.js';
import { discard } from '../outbox/uploads-view.js';
import type { Project } from './project.js';

/** Gives changes that wait up, so that what is left of them shows. Returns where bytes of them are now. */
export function giveUp(project: Project, inodes: readonly Inode[]): string[] {
  if (inodes.length === 0) return [];
  const { view } = project.outbox.tree;
  const { paths, discarded } = discard(project.outbox, inodes);
  for (const { intent } of discarded) if (intent.deleted) project.late.giveUpRemovals(intent.remoteId);
  project.outbox.events.emit('changed');
  project.mirror.store.events.emit(
    'changed',
    discarded.map(({ intent, left }) => {
      const here = { parent: intent.parent, name: intent.name };
      // Others may have moved it meanwhile.
      const item = view.byRemoteId(intent.remoteId);
      const folder = item && view.parent(item);
      const there = folder && { parent: folder.inode, name: item.name };
      return {
        inode: intent.inode,
        before: intent.deleted ? undefined : here,
        after: left ? here : there,
        replacedSequence: intent.sequence,
      };
    }),
  );
  return paths;
}
