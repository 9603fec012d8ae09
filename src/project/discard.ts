import type { Inode } from '../base/ids.js';
import { placeOfCall, sentBy } from '../outbox/intents/attempt.js';
import type { Intent } from '../outbox/intents/intent.js';
import type { Outbox } from '../outbox/outbox.js';
import { discard } from '../outbox/uploads-view.js';
import type { Project } from './project.js';

/** The last call of an intent, if its outcome is unknown and it may still take effect. */
function lateCall(intent: Intent, { tree }: Outbox) {
  const { attempted, baseVersion: version } = intent;
  const place = placeOfCall(intent, tree);
  if (!attempted || !place) return undefined;
  if (attempted.removal !== undefined)
    return { intent, call: { ...place, digests: [], removal: { time: attempted.removal, version } } };
  const digests = sentBy(intent, attempted);
  return digests && { intent, call: { ...place, digests } };
}

/** Discards waiting changes, so that the state of the server shows again. @returns paths that now hold their content */
export function giveUp(project: Project, inodes: readonly Inode[]): string[] {
  if (inodes.length === 0) return [];
  const { outbox } = project;
  const { late } = outbox;
  const { view } = outbox.tree;
  // Before the discard, while the target folder of each call is known.
  const sent = [...outbox.intents.all()].flatMap((intent) => lateCall(intent, outbox) ?? []);
  const { paths, discarded } = discard(outbox, inodes);
  const gone = new Set(discarded.map(({ intent }) => intent));
  for (const { intent, call } of sent) if (gone.has(intent)) late.add(call);
  for (const { intent } of discarded) if (intent.deleted) late.giveUpRemovals(intent.remoteId);
  outbox.events.emit('changed');
  outbox.tree.tell(
    discarded.map(({ intent, left }) => {
      const here = { parent: intent.parent, name: intent.name };
      // Others may have moved the item meanwhile.
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
