import type { Inode } from '../../base/ids.js';
import { type Change, moved as movedTo, type Place } from '../../mirror/database/changes.js';
import { freeConflictName } from '../upload/conflict-name.js';
import { type Intent, NO_REMOTE, placed, renamedTo } from './intent.js';
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
  const taken = new Set(intents.childrenOf(to).map(({ here }) => here.name));
  const free = (name: string): string =>
    freeConflictName(name, now, (one) => taken.has(one) || intents.child(from, one) !== undefined);
  for (const intent of concerned) {
    const { deleted, here, base, attempt, remoteId } = intent;
    const rehome = <At extends Place>(place: At): At => (place.parent === from ? { ...place, parent: to } : place);
    let moved: Intent = {
      ...intent,
      here: rehome(here),
      base: rehome(base),
      attempt: { ...attempt, goal: attempt.goal && rehome(attempt.goal) },
    };
    if (here.parent === from && !deleted) {
      const twin = intents.child(to, here.name);
      if (twin && twin.remoteId === NO_REMOTE && remoteId !== NO_REMOTE) {
        const renamed = renamedTo(twin, free(twin.here.name));
        taken.add(renamed.here.name);
        put.set(twin.inode, renamed);
        changes.push(movedTo(placed(twin), placed(renamed)));
      } else if (twin) moved = renamedTo(moved, free(here.name));
      taken.add(moved.here.name);
      changes.push(movedTo(placed(intent), placed(moved)));
    }
    put.set(moved.inode, moved);
  }
  return { put: [...put.values()], changes };
}
