import { Failure } from '../base/errors.js';
import { type Intent, isLocal, NO_REMOTE } from './intent.js';
import type { Intents } from './intents.js';
import type { NameGuard } from './name-policy.js';

/** Which items stay on this machine: those whose names are of local files or folders, and all that is made in such folders. */
export class StaysLocal {
  readonly #intents: Intents;
  readonly #names: NameGuard;

  constructor(intents: Intents, names: NameGuard) {
    this.#intents = intents;
    this.#names = names;
  }

  /** The state in which an acknowledged change begins. */
  firstState(intent: Intent, parent = this.#intents.get(intent.parent)): Pick<Intent, 'state' | 'reason'> {
    if (intent.remoteId !== NO_REMOTE) return { state: 'held', reason: undefined };
    if (isLocal(parent)) return { state: 'local', reason: 'its folder stays on this machine' };
    if (this.#names.kind(intent.name, intent.folder) === 'local')
      return { state: 'local', reason: `its name is one of a local ${intent.folder ? 'folder' : 'file'}` };
    return { state: 'held', reason: undefined };
  }

  /** What is in a new folder stays here with it, or goes up with it: all that changes with the folder's state. */
  below(folder: Intent): Intent[] {
    return this.#intents.childrenOf(folder.inode).flatMap((child) => {
      const next = child.flushed ? { ...child, ...this.firstState(child, folder) } : child;
      return child.folder ? [next, ...this.below(next)] : [next];
    });
  }

  /**
   * A folder that stays here takes in nothing that the server has, and no folder with such things in it.
   * @throws Failure `local-folder` (EXDEV), on which programs copy and delete
   */
  requireMove(intent: Intent, parent: Intent | undefined, name: string): void {
    const becomesLocal = intent.folder && intent.remoteId === NO_REMOTE && this.#names.kind(name, true) === 'local';
    if (isLocal(parent) || becomesLocal) this.#requireNoRemote(intent, name);
  }

  #requireNoRemote(intent: Intent, name: string): void {
    if (intent.remoteId !== NO_REMOTE) throw new Failure('local-folder', { path: intent.name, to: name });
    for (const child of this.#intents.childrenOf(intent.inode)) this.#requireNoRemote(child, name);
  }
}
