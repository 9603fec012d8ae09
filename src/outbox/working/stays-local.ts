import { Failure } from '../../base/errors.js';
import { mayBeThere } from '../intents/attempt.js';
import { claimPlace, type PlacedIntent, setAside, tombstone, withIdentityOf } from '../intents/changes.js';
import { type Intent, isLocal, NO_REMOTE, NO_VERSION, needsPerson } from '../intents/intent.js';
import type { Intents } from '../intents/intents.js';
import type { NameGuard } from '../tree/name-policy.js';

/**
 * Decides which items stay on this machine: those with names of local files or folders, and everything in local
 * folders. Nothing in a local folder has an identity at the server. A file that moves there from the server (into a
 * desktop's trash) is deleted at the server and stays here. If it returns before the deletion was sent, it is the same
 * document again.
 */
export class StaysLocal {
  readonly #intents: Intents;
  readonly #names: NameGuard;

  constructor(intents: Intents, names: NameGuard) {
    this.#intents = intents;
    this.#names = names;
  }

  /** The state in which an acknowledged change begins. */
  firstState(intent: Intent, parent = this.#intents.get(intent.here.parent)): Pick<Intent, 'state' | 'reason'> {
    if (mayBeThere(intent)) return { state: 'held', reason: undefined };
    if (isLocal(parent)) return { state: 'local', reason: 'its folder stays on this machine' };
    if (this.#names.kind(intent.here.name, intent.folder) === 'local')
      return { state: 'local', reason: `its name is one of a local ${intent.folder ? 'folder' : 'file'}` };
    return { state: 'held', reason: undefined };
  }

  /** As `firstState`, for an item that moves: an intent that waits for a user still does. */
  stateAfterMove(intent: Intent, parent?: Intent): Pick<Intent, 'state' | 'reason'> {
    const first = this.firstState(intent, parent ?? this.#intents.get(intent.here.parent));
    return first.state === 'held' && needsPerson(intent) ? { state: intent.state, reason: intent.reason } : first;
  }

  /** The intents below a new folder after its state changed: they stay here or are sent with the folder. */
  below(folder: Intent): Intent[] {
    return this.#intents.childrenOf(folder.inode).flatMap((child) => {
      const next = child.content.flushed ? { ...child, ...this.stateAfterMove(child, folder) } : child;
      return child.folder ? [next, ...this.below(next)] : [next];
    });
  }

  /**
   * A folder at the server cannot move into a local folder, nor can a folder that contains server items: the content of
   * all of them would have to be downloaded first.
   * @throws Failure `local-folder` (EXDEV), on which programs copy and delete
   */
  requireMove(intent: Intent, parent: Intent | undefined, name: string): void {
    const becomesLocal = !mayBeThere(intent) && this.#names.kind(name, true) === 'local';
    if (intent.folder && (isLocal(parent) || becomesLocal)) this.#requireNoRemote(intent, name);
  }

  /** The intents of an item that moves to an empty place. */
  enter(moved: Intent, now: number): PlacedIntent {
    if (!isLocal(this.#intents.get(moved.here.parent)))
      return this.#return(moved) ?? claimPlace(this.#intents, moved, now);
    const [intent, ...others] = this.#leaveServer(moved, now);
    return { intent: intent!, others, drop: [] };
  }

  /**
   * The intents of an item after a send: if it is in a local folder, it loses the identity that the send may have given
   * it.
   */
  settled(intent: Intent, now: number): Intent[] {
    return isLocal(this.#intents.get(intent.here.parent)) ? this.#leaveServer(intent, now) : [intent];
  }

  #leaveServer(intent: Intent, now: number): Intent[] {
    if (!mayBeThere(intent) || intent.folder) return [intent];
    return [setAside(intent), tombstone(this.#intents.newInode(), intent, now)];
  }

  /** If the item's deletion at the server was not sent yet, it becomes the same document again, wherever it moves. */
  #return(moved: Intent): PlacedIntent | undefined {
    const { item, staged } = moved.content;
    const deletion = isLocal(moved) && item !== NO_REMOTE ? this.#intents.ofRemote(item) : undefined;
    if (mayBeThere(moved) || !deletion?.deleted || deletion.attempt.at !== 0) return undefined;
    const content = { ...moved.content, item: NO_REMOTE, version: NO_VERSION, dirty: staged };
    return { intent: { ...withIdentityOf(moved, deletion), content }, others: [], drop: [deletion.inode] };
  }

  #requireNoRemote(intent: Intent, name: string): void {
    if (mayBeThere(intent)) throw new Failure('local-folder', { path: intent.here.name, to: name });
    for (const child of this.#intents.childrenOf(intent.inode)) this.#requireNoRemote(child, name);
  }
}
