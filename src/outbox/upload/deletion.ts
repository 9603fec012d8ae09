import type { CallOptions } from '../../budget/calls.js';
import type { Change } from '../../mirror/database/changes.js';
import { DELETED } from '../../mirror/database/flags.js';
import type { MirrorStore } from '../../mirror/database/store.js';
import type { Item } from '../../mirror/database/view.js';
import type { IsSeen, Removals } from '../../mirror/removal.js';
import { isRemovalSent } from '../intents/attempt.js';
import { type Goal, type Intent, NO_ATTEMPT } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import { coveredBy, isNewer, orderOf } from '../scheduler/order.js';
import type { Attempts } from './attempts.js';

export interface DeletionsOptions {
  readonly outbox: Outbox;
  readonly store: MirrorStore;
  readonly attempts: Attempts;
  readonly removals: Removals;
  /** Downloads the part of the deleted content that local items still need. */
  readonly keepContent: (deletion: Intent, call: CallOptions) => Promise<void>;
}

/**
 * Sends deletions while the server has only what the deleting user had seen: the base version, and in a folder only
 * items deleted here. Anything else is kept and shows again.
 */
export class Deletions {
  readonly #options: DeletionsOptions;

  constructor(options: DeletionsOptions) {
    this.#options = options;
  }

  /** Resolves when the item is deleted, kept, or to be examined again. @throws Failure of the attempt */
  async send(intent: Intent, call: CallOptions): Promise<void> {
    const { outbox, attempts, removals, keepContent } = this.#options;
    const { intents, tree } = outbox;
    const wasSent = isRemovalSent(intent);
    // Includes calls before this attempt, and calls for a deletion that was discarded.
    const unanswered = attempts.late.removals(intent.remoteId).flatMap(({ removal }) => removal?.time ?? []);
    const mayHaveGone = wasSent || unanswered.length > 0;
    // The item's content, and whether it is ours, must be known first.
    if (!wasSent && intent.attempt.goal?.upload !== undefined) {
      await attempts.resolve(intent, call);
      return;
    }
    await removals.look({ id: intent.remoteId, isFile: !intent.folder }, intent.since, call);
    // The intent may have changed here, or the result of the lookup may have withdrawn it.
    if (intents.get(intent.inode) !== intent) return;
    const item = tree.view.byRemoteId(intent.remoteId);
    const isGone = !item || (item.flags & DELETED) !== 0;
    if (!isGone && this.#isUnseen(item, intent)) {
      if (wasSent) this.#mayGoYet(item, intent);
      return this.keep(intent);
    }
    if (!wasSent && !isGone && this.#mustWait(intent)) return;
    const covered = intent.folder ? coveredBy(intent, outbox) : [];
    if (!item || (isGone && !mayHaveGone)) return this.#finish(intent, covered);
    await keepContent(intent, call);
    const before = removals.before(item, mayHaveGone);
    const time = Math.min(intent.attempt.goal?.removal ?? before.time, ...unanswered);
    const attempt = attempts.begin(intent, { ...placeOf(intent), removal: time });
    const sent = isGone
      ? { reply: undefined, inDoubt: true }
      : await attempts.answered(attempt, () => removals.send(item, { time }, call));
    const inDoubt = sent.inDoubt || mayHaveGone;
    const went = await removals.compare(item, { ...sent, inDoubt }, { ...before, time }, this.#isSeen, call);
    const now = intents.get(intent.inode);
    if (now?.remoteId !== intent.remoteId) return;
    if (went) this.#finish(now, covered);
    else this.keep(now);
  }

  /** Withdraws a deletion: the item shows again. */
  keep(deletion: Intent): void {
    this.#tell(this.#options.outbox.kept.keep([deletion]));
  }

  readonly #isSeen: IsSeen = ({ id, version }) => {
    const own = this.#options.outbox.intents.ofRemote(id);
    return own?.deleted === true && (own.folder || own.base.version === version);
  };

  /** Records a deletion that an earlier process sent, which ended before it knew that there was no reply. */
  #mayGoYet(item: Item, { attempt: { goal } }: Intent): void {
    const { late } = this.#options.attempts;
    if (goal?.removal === undefined || late.removals(item.remoteId).length > 0) return;
    late.addRemoval(item, goal.removal);
  }

  #isUnseen(item: Item, intent: Intent): boolean {
    return (
      isNewer(item, intent) || orderOf({ ...intent, attempt: NO_ATTEMPT }, this.#options.outbox).kind === 'keep-folder'
    );
  }

  /** A change that must be sent first has come up meanwhile. */
  #mustWait(intent: Intent): boolean {
    return orderOf(intent, this.#options.outbox).kind !== 'go';
  }

  #finish(deletion: Intent, covered: readonly Intent[]): void {
    const { intents, kept } = this.#options.outbox;
    const gone = covered.filter((one) => intents.get(one.inode) === one);
    intents.change(
      [],
      [deletion, ...gone].map(({ inode }) => inode),
    );
    kept.forget(deletion.remoteId);
  }

  #tell(changes: Change[]): void {
    this.#options.outbox.tree.tell(changes);
  }
}

/** Where the item may be at the server. */
const placeOf = ({ attempt, base: { parent, name, size } }: Intent): Goal =>
  attempt.goal ?? { parent, name, size, upload: undefined };
