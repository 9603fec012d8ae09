import type { Inode } from '../base/ids.js';
import { placeOfCall, sentBy } from '../outbox/intents/attempt.js';
import { type Intent, placed } from '../outbox/intents/intent.js';
import { tellLate } from '../outbox/late-effects.js';
import type { Outbox } from '../outbox/outbox.js';
import { discard } from '../outbox/uploads-view.js';
import type { Project } from './project.js';

/** The last call of an intent, if its outcome is unknown and it may still take effect. */
function lateCall(intent: Intent, { tree }: Outbox) {
  const { attempt } = intent;
  const place = placeOfCall(intent, tree);
  if (!attempt.goal || !place) return undefined;
  if (attempt.goal.removal !== undefined)
    return { intent, call: { ...place, digests: [], removal: { time: attempt.goal.removal } } };
  const digests = sentBy(intent, attempt.goal);
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
  // What they did already counted as theirs until now.
  tellLate(outbox);
  outbox.events.emit('changed');
  outbox.tree.tell(
    discarded.map(({ intent, left }) => {
      const { inode, ...here } = placed(intent);
      // Others may have moved the item meanwhile.
      const item = view.byRemoteId(intent.remoteId);
      const folder = item && view.parent(item);
      const there = folder && { parent: folder.inode, name: item.name };
      return {
        inode,
        before: intent.deleted ? undefined : here,
        after: left ? here : there,
        replacedSequence: intent.sequence,
      };
    }),
  );
  return paths;
}
