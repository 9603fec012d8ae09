import { Failure } from '../base/errors.js';
import type { Inode } from '../base/ids.js';
import { type Intent, isLocal, NO_REMOTE } from './intent.js';
import type { Outbox } from './outbox.js';

/** What must happen before an intent can go up. */
export type Order =
  | { readonly kind: 'go' }
  /** Nothing to send: its folder goes as a whole. */
  | { readonly kind: 'covered' }
  | { readonly kind: 'after'; readonly inode: Inode | undefined }
  /** Two items change places: this one steps aside first. */
  | { readonly kind: 'step-aside' }
  /** A folder in which somebody else put something cannot be deleted whole. */
  | { readonly kind: 'keep-folder' };

const GO: Order = { kind: 'go' };

/**
 * Parents before children, leavers before those who come to their place, content before the file it comes from goes; what
 * stays on this machine fetches its content when that file goes.
 */
export function orderOf(intent: Intent, outbox: Outbox): Order {
  // First of all one looks what the server has. What is to go needs no look, wherever it is.
  if (intent.attempted) return GO;
  return intent.deleted ? orderOfDeletion(intent, outbox) : orderOfPlace(intent, outbox);
}

function orderOfPlace(intent: Intent, outbox: Outbox): Order {
  const { intents, tree } = outbox;
  if (tree.remoteIdOf(intent.parent) === undefined) return { kind: 'after', inode: intent.parent };
  const blocker = intents.leftFrom(intent.parent, intent.name);
  if (!blocker || blocker.inode === intent.inode) return GO;
  return isInCycle(intent, blocker, outbox) ? { kind: 'step-aside' } : { kind: 'after', inode: blocker.inode };
}

/** Whether the one in our place waits, over others, for ours. Only items that are at the server stand in a place. */
function isInCycle(intent: Intent, blocker: Intent, outbox: Outbox): boolean {
  if (intent.remoteId === NO_REMOTE) return false;
  const seen = new Set<Inode>();
  for (let at: Intent | undefined = blocker; at && !at.deleted && !seen.has(at.inode); ) {
    if (at.inode === intent.inode) return true;
    if (at.attempted) return false;
    seen.add(at.inode);
    at = outbox.intents.leftFrom(at.parent, at.name);
  }
  return false;
}

function orderOfDeletion(intent: Intent, outbox: Outbox): Order {
  const { intents } = outbox;
  const parent = intents.get(intent.baseParent);
  if (parent?.deleted) return { kind: 'covered' };
  const taker = intents.takingContentOf(intent.remoteId).find((one) => !isLocal(one));
  if (taker) return { kind: 'after', inode: taker.inode };
  return intent.folder ? orderOfFolderDeletion(intent, outbox) : GO;
}

/** Whatever was in the folder must have been deleted here, or have left it at the server already. */
function orderOfFolderDeletion(folder: Intent, outbox: Outbox): Order {
  const { intents, tree } = outbox;
  const { view } = tree;
  const doubtful = intents.attemptedIn(folder.inode);
  if (doubtful) return { kind: 'after', inode: doubtful.inode };
  for (let after = 0; ; ) {
    const items = view.children(folder.remoteId, after, 256);
    for (const item of items) {
      const own = intents.ofRemote(item.remoteId);
      if (!own) return { kind: 'keep-folder' };
      if (!own.deleted || own.attempted) return { kind: 'after', inode: own.inode };
      const taker = intents.takingContentOf(own.remoteId).find((one) => !isLocal(one));
      if (taker) return { kind: 'after', inode: taker.inode };
      if (own.folder) {
        const inner = orderOfFolderDeletion(own, outbox);
        if (inner.kind !== 'go') return inner;
      }
    }
    if (items.length < 256) return GO;
    after = items.at(-1)!.inode;
  }
}

/** A local name may have been exempt when it was made; what is published must obey. */
export function violation(intent: Intent, { tree, names }: Outbox): Failure | undefined {
  if (intent.name === intent.baseName) return undefined;
  const path = tree.pathOf(intent);
  const refusal = names.publishRefusal(path, intent.name);
  return refusal && new Failure('name-refused', { name: path, why: refusal.words });
}

/** Deletions that a folder's deletion covers, the folder's own left out. */
export function coveredBy(folder: Intent, outbox: Outbox): Intent[] {
  const seen = new Set<Inode>([folder.inode]);
  const found: Intent[] = [];
  const folders = [folder.inode];
  for (let at = folders.pop(); at !== undefined; at = folders.pop())
    for (const intent of outbox.intents.basedIn(at)) {
      if (seen.has(intent.inode)) continue;
      seen.add(intent.inode);
      if (intent.deleted) found.push(intent);
      if (intent.folder) folders.push(intent.inode);
    }
  return found;
}
