import { Failure } from '../../base/errors.js';
import { asInode, type Inode, type RemoteId, type VersionId } from '../../base/ids.js';
import type { Statement } from '../../database/open.js';
import { NO_REMOTE } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import { type LocalItem, versionOf } from './tree.js';

interface Pin {
  readonly inode: Inode;
  /** `NO_REMOTE` for an item that was not at the server when it was pinned. */
  readonly remoteId: RemoteId;
}

/** Limit of the folders above an item; more can only be a damaged mirror. */
const MOST_FOLDERS = 1000;

/**
 * The files and folders that users keep on disk; a folder keeps everything below it. These choices exist nowhere else,
 * so they are stored with the local changes. A pin stays with the item and, like a document's identity at the server,
 * with its name when a program saves by renaming.
 */
export class Pins {
  readonly #outbox: Outbox;
  readonly #byInode = new Map<Inode, Pin>();
  readonly #byRemote = new Map<RemoteId, Pin>();
  readonly #put: Statement<[number, number, number]>;
  readonly #delete: Statement<[number]>;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
    const { database } = outbox.intents;
    this.#put = database.prepare('INSERT OR REPLACE INTO pins (inode, remote_id, since) VALUES (?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM pins WHERE inode = ?');
    const rows = database.prepare<[], { inode: number; remote_id: number }>('SELECT inode, remote_id FROM pins');
    for (const { inode, remote_id } of rows.iterate())
      this.#remember({ inode: asInode(inode), remoteId: remote_id as RemoteId });
  }

  get size(): number {
    return this.#byInode.size;
  }

  /** The pinned item that keeps this one: itself, or a folder above. */
  holder(item: LocalItem): LocalItem | undefined {
    if (this.size === 0) return undefined;
    for (const at of this.#upwards(item)) if (this.#of(at)) return at;
    return undefined;
  }

  /** Whether an item is the other, or below it. */
  isWithin(item: LocalItem, other: LocalItem): boolean {
    for (const at of this.#upwards(item)) if (at.inode === other.inode) return true;
    return false;
  }

  *#upwards(item: LocalItem): Generator<LocalItem> {
    let at: LocalItem | undefined = item;
    for (let depth = 0; at && depth < MOST_FOLDERS; depth++) {
      yield at;
      at = this.#outbox.tree.parent(at);
    }
  }

  /** Whether this version is the content that a pinned file shows. */
  keeps(remoteId: RemoteId, version: VersionId): boolean {
    if (this.size === 0) return false;
    const { intents, tree } = this.#outbox;
    const inode = intents.ofRemote(remoteId)?.inode ?? tree.view.byRemoteId(remoteId)?.inode;
    const item = inode === undefined ? undefined : tree.item(inode);
    return item !== undefined && versionOf(item).id === version && this.holder(item) !== undefined;
  }

  /** The pinned items that exist. */
  items(): LocalItem[] {
    const { intents, tree } = this.#outbox;
    return [...this.#byInode.values()].flatMap(({ inode, remoteId }) => {
      const known = remoteId === NO_REMOTE ? undefined : (intents.ofRemote(remoteId) ?? tree.view.byRemoteId(remoteId));
      return tree.item(known?.inode ?? inode) ?? [];
    });
  }

  pin(item: LocalItem): void {
    this.#forget(item);
    this.#outbox.intents.refersTo(item.inode);
    this.#put.run(item.inode, item.remoteId, this.#outbox.clock.now());
    this.#remember({ inode: item.inode, remoteId: item.remoteId });
  }

  /** @throws Failure `pinned-above` where a folder above keeps it */
  unpin(item: LocalItem): void {
    this.#forget(item);
    const holder = this.holder(item);
    if (holder) throw new Failure('pinned-above', { path: item.name, folder: holder.name || '/' });
  }

  #of({ inode, remoteId }: LocalItem): Pin | undefined {
    return this.#byInode.get(inode) ?? (remoteId === NO_REMOTE ? undefined : this.#byRemote.get(remoteId));
  }

  #remember(pin: Pin): void {
    this.#byInode.set(pin.inode, pin);
    if (pin.remoteId !== NO_REMOTE) this.#byRemote.set(pin.remoteId, pin);
  }

  #forget(item: LocalItem): void {
    for (let pin = this.#of(item); pin; pin = this.#of(item)) {
      this.#delete.run(pin.inode);
      this.#byInode.delete(pin.inode);
      this.#byRemote.delete(pin.remoteId);
    }
  }
}
