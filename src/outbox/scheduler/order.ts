import { Failure } from '../../base/errors.js';
import type { Inode } from '../../base/ids.js';
import { DELETED, GONE } from '../../mirror/database/flags.js';
import type { Item, View } from '../../mirror/database/view.js';
import { type Intent, isLocal, NO_REMOTE } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';

/** What must happen before an intent can be sent. */
export type SendingOrder =
  | { readonly kind: 'go' }
  /** Nothing to send: the deletion of its folder includes it. */
  | { readonly kind: 'covered'; readonly inode: Inode }
  | { readonly kind: 'after'; readonly inode: Inode | undefined }
  /** Items wait for each other in a cycle, as two that swap places do: this one is renamed out of the way first. */
  | { readonly kind: 'free-place' }
  /** Another user has put something into the folder, so that it cannot be deleted as a whole. */
  | { readonly kind: 'keep-folder' };

const GO: SendingOrder = { kind: 'go' };

/** Why an intent waits for another one. */
type Wait = SendingOrder | { readonly kind: 'after'; readonly inode: Inode | undefined; readonly forPlace: true };

/** Limit of a chain of changes that wait for each other: more is a cycle. */
const LONGEST_CHAIN = 1000;

/**
 * Parents precede children. An item that leaves a place precedes the one that takes it. An item that takes content from
 * a file precedes the deletion of that file, but a local item does not: it downloads its content at that deletion. In a
 * cycle, an item that occupies another's place is renamed out of the way at the server.
 */
export function orderOf(intent: Intent, outbox: Outbox): SendingOrder {
  const order = waitOf(intent, outbox);
  if (order.kind !== 'after' || order.inode === undefined) return order;
  return standsInTheWay(intent, order, outbox) ? { kind: 'free-place' } : order;
}

function waitOf(intent: Intent, outbox: Outbox): Wait {
  // An attempt with unknown outcome is looked up first.
  if (intent.attempted) return GO;
  return intent.deleted ? waitOfDeletion(intent, outbox) : waitOfPlace(intent, outbox);
}

function waitOfPlace(intent: Intent, outbox: Outbox): Wait {
  const { intents, tree } = outbox;
  if (tree.remoteIdOf(intent.parent) === undefined) return { kind: 'after', inode: intent.parent };
  const leaver = intents.leftFrom(intent.parent, intent.name);
  const blocker = leaver && wasDeleted(leaver, tree.view) ? undefined : leaver;
  if (blocker && blocker.inode !== intent.inode) return { kind: 'after', inode: blocker.inode, forPlace: true };
  const inner = intent.folder && intent.parent !== intent.baseParent ? leaverOf(intent, outbox) : undefined;
  return inner ? { kind: 'after', inode: inner.inode } : GO;
}

const flagsOf = ({ remoteId }: Intent, view: View): number => view.byRemoteId(remoteId)?.flags ?? 0;

/** Another user deleted the item at the server, so that it occupies no place there any more. */
const wasDeleted = (intent: Intent, view: View): boolean => (flagsOf(intent, view) & DELETED) !== 0;

/**
 * If a folder moves into one that is still below it at the server: the intent that moves the latter out, to be sent
 * first.
 */
function leaverOf(folder: Intent, { intents, tree: { view } }: Outbox): Intent | undefined {
  let leaver: Intent | undefined;
  let at: Inode | undefined = folder.parent;
  for (let steps = 0; at !== undefined && steps < LONGEST_CHAIN; steps++) {
    if (at === folder.inode) return leaver;
    const own = intents.get(at);
    if (own && own.parent !== own.baseParent) leaver = own;
    at = own ? own.baseParent : parentOf(at, view);
  }
  return undefined;
}

function parentOf(inode: Inode, view: View): Inode | undefined {
  const item = view.item(inode);
  return item && view.parent(item)?.inode;
}

/**
 * Whether the intents it waits for wait in turn for its place at the server. Only an item at the server occupies a
 * place.
 */
function standsInTheWay(intent: Intent, first: Wait, outbox: Outbox): boolean {
  if (intent.remoteId === NO_REMOTE) return false;
  const seen = new Set<Inode>();
  for (let wait = first; wait.kind === 'after' || wait.kind === 'covered'; ) {
    const inode: Inode | undefined = wait.inode;
    if (inode === intent.inode) return 'forPlace' in wait;
    const at = inode === undefined ? undefined : outbox.intents.get(inode);
    if (!at || seen.has(at.inode) || seen.size > LONGEST_CHAIN) return false;
    seen.add(at.inode);
    wait = waitOf(at, outbox);
  }
  return false;
}

function waitOfDeletion(intent: Intent, outbox: Outbox): Wait {
  const { intents } = outbox;
  const parent = intents.get(intent.baseParent);
  if (parent?.deleted) return { kind: 'covered', inode: parent.inode };
  const taker = intents.takingContentOf(intent.remoteId).find((one) => !isLocal(one));
  if (taker) return { kind: 'after', inode: taker.inode };
  return intent.folder ? waitOfFolderDeletion(intent, outbox) : GO;
}

/** Everything in the folder must have been deleted here, or have left the folder at the server already. */
function waitOfFolderDeletion(folder: Intent, outbox: Outbox): Wait {
  const { intents, tree } = outbox;
  const { view } = tree;
  const doubtful = intents.attemptedIn(folder.inode);
  if (doubtful) return { kind: 'after', inode: doubtful.inode };
  // A deleted item may still be in the folder, with other content than was seen here.
  if (intents.basedIn(folder.inode).some((one) => one.deleted && isUnseen(one, view))) return { kind: 'keep-folder' };
  for (let after = 0; ; ) {
    const items = view.children(folder.remoteId, after, 256);
    for (const item of items) {
      const own = intents.ofRemote(item.remoteId);
      if (!own || isNewer(item, own)) return { kind: 'keep-folder' };
      if (!own.deleted || own.attempted) return { kind: 'after', inode: own.inode };
      const taker = intents.takingContentOf(own.remoteId).find((one) => !isLocal(one));
      if (taker) return { kind: 'after', inode: taker.inode };
      if (own.folder) {
        const inner = waitOfFolderDeletion(own, outbox);
        if (inner.kind !== 'go') return inner;
      }
    }
    if (items.length < 256) return GO;
    after = items.at(-1)!.inode;
  }
}

/** The server no longer shows the item, but has not said that it was deleted. */
const isUnseen = (intent: Intent, view: View): boolean => (flagsOf(intent, view) & (GONE | DELETED)) === GONE;

/** Whether the server has other content of an item than the user who deleted it had seen. */
export const isNewer = ({ isFile, versionId, versionNumber }: Item, deletion: Intent): boolean =>
  isFile && deletion.deleted && versionId !== deletion.baseVersion && versionNumber >= deletion.baseNumber;

/**
 * The naming rule that an intent breaks. A local name may have been exempt when it was created; a published one must
 * obey.
 */
export function violation(intent: Intent, { tree, names }: Outbox): Failure | undefined {
  if (intent.name === intent.baseName) return undefined;
  const path = tree.pathOf(intent);
  const refusal = names.publishRefusal(path, intent.name);
  return refusal && new Failure('name-refused', { name: path, why: refusal.words });
}

/** Deletions that a folder's deletion includes, without the folder's own. */
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
