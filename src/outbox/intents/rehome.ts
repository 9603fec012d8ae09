import type { Inode } from '../../base/ids.js';
import type { Change } from '../../mirror/database/changes.js';
import { freeConflictName } from '../upload/conflict-name.js';
import { type Intent, NO_REMOTE } from './intent.js';
import type { Intents } from './intents.js';

/**
 * Moves the intents in a folder, and of items from it, to the folder's new inode. Of two with the same name, the one
 * that the server does not have gets another name.
 */
export function rehomed(
  intents: Intents,
  from: Inode,
  to: Inode,
  now: number,
): { readonly put: readonly Intent[]; readonly changes: readonly Change[] } {
  const put = new Map<Inode, Intent>();
  const changes: Change[] = [];
  const concerned = new Set([...intents.childrenOf(from), ...intents.basedIn(from), ...intents.attemptedInAll(from)]);
  const taken = new Set(intents.childrenOf(to).map(({ name }) => name));
  const free = (name: string): string =>
    freeConflictName(name, now, (one) => taken.has(one) || intents.child(from, one) !== undefined);
  for (const intent of concerned) {
    const { attempted } = intent;
    let moved: Intent = {
      ...intent,
      parent: intent.parent === from ? to : intent.parent,
      baseParent: intent.baseParent === from ? to : intent.baseParent,
      attempted: attempted?.parent === from ? { ...attempted, parent: to } : attempted,
    };
    if (intent.parent === from && !intent.deleted) {
      const twin = intents.child(to, intent.name);
      if (twin && twin.remoteId === NO_REMOTE && intent.remoteId !== NO_REMOTE) {
        const renamed = { ...twin, name: free(twin.name) };
        taken.add(renamed.name);
        put.set(twin.inode, renamed);
        changes.push(changeOf(twin, renamed));
      } else if (twin) moved = { ...moved, name: free(intent.name) };
      taken.add(moved.name);
      changes.push(changeOf(intent, moved));
    }
    put.set(moved.inode, moved);
  }
  return { put: [...put.values()], changes };
}

const changeOf = (before: Intent, after: Intent): Change => ({
  inode: before.inode,
  before: { parent: before.parent, name: before.name },
  after: { parent: after.parent, name: after.name },
  replacedSequence: undefined,
});
