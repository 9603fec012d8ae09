import { Failure, isFailure } from '../base/errors.js';
import type { Inode, ProjectId, RemoteId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { CallOptions } from '../budget/calls.js';
import type { ContentCache } from '../content/cache.js';
import type { MirrorStore } from '../mirror/store.js';
import { linuxNames } from '../names/linux.js';
import type { ProcoreClient } from '../procore/client.js';
import type { RemoteItem, RemoteVersion } from '../procore/items.js';
import type { SavedUpload, Uploads } from '../procore/uploads.js';
import type { ProcoreWrites, Written } from '../procore/writes.js';
import { isNothing, withoutIdentity } from './changes.js';
import { conflictName } from './conflict-name.js';
import { type Intent, isLocal, NO_REMOTE, NO_VERSION } from './intent.js';
import { coveredBy } from './order.js';
import type { Outbox } from './outbox.js';

export interface SenderOptions {
  readonly outbox: Outbox;
  readonly store: MirrorStore;
  readonly content: ContentCache;
  readonly client: ProcoreClient;
  readonly writes: ProcoreWrites;
  readonly uploads: Uploads;
  readonly project: ProjectId;
  /** Login and name of the connection's account: how the server calls whoever made a version here. */
  readonly account: readonly string[];
  readonly log: Log;
  /** Tells that the server has checked a file in, as it does with a new version. */
  readonly checkedIn: (inode: Inode) => void;
  /** Tells that bytes of an upload went out. */
  readonly progress: (inode: Inode, bytes: number) => void;
}

/** The intent changed while it was under way; what was sent is kept where it can be used. */
class Superseded extends Error {}

/** Brings one intent to the server. Every call that changes something is written down before it is made. */
export class Sender {
  readonly #o: SenderOptions;

  constructor(options: SenderOptions) {
    this.#o = options;
  }

  /** Resolves when the server has it (or it was overtaken by a newer change). @throws Failure of the attempt */
  async send(intent: Intent, signal: AbortSignal): Promise<void> {
    const call: CallOptions = { class: 'background', signal };
    try {
      if (intent.deleted) await this.#delete(intent, call);
      else if (intent.folder) await this.#folder(intent, call);
      else if (intent.remoteId === NO_REMOTE) await this.#newFile(intent, call);
      else await this.#knownFile(intent, call);
    } catch (error) {
      if (!(error instanceof Superseded)) throw error;
    }
  }

  async #delete(intent: Intent, call: CallOptions): Promise<void> {
    const { writes, project, store } = this.#o;
    const { remoteId } = intent;
    await this.#keepContent(intent);
    const attempt = this.#attempt(intent);
    let serverTime = 0;
    try {
      const done = intent.folder
        ? await writes.deleteFolder(project, remoteId, call)
        : await writes.deleteFile(project, remoteId, call);
      serverTime = done.serverTime;
    } catch (error) {
      // Whoever was faster, and a reply that was lost, leave the same: it is not there.
      if (isFailure(error, 'reply-lost')) return this.#delete(attempt, call);
      if (!isFailure(error, 'gone')) throw error;
    }
    await store.confirmDeletion(remoteId, serverTime);
    this.#finish(attempt, undefined);
  }

  /** What stays on this machine (in a desktop's trash) takes its content along before the server deletes it. */
  async #keepContent(deletion: Intent): Promise<void> {
    const { outbox } = this.#o;
    const going = deletion.folder ? [deletion, ...coveredBy(deletion, outbox)] : [deletion];
    for (const { remoteId } of going)
      for (const keeper of outbox.intents.takingContentOf(remoteId)) {
        if (!isLocal(keeper)) continue;
        try {
          await this.#materialize(keeper);
        } catch (error) {
          // Somebody else deleted it for good: there is nothing to wait for.
          if (!isFailure(error, 'gone') && !isFailure(error, 'version-gone')) throw error;
        }
      }
  }

  async #folder(intent: Intent, call: CallOptions): Promise<void> {
    const { writes, project } = this.#o;
    const parentId = this.#parentId(intent);
    const name = linuxNames.decode(intent.name);
    if (intent.remoteId !== NO_REMOTE) {
      const done = await this.#patch(intent, (attempt) =>
        writes.updateFolder(project, attempt.remoteId, placeChange(attempt, parentId, name), call),
      );
      return this.#confirm(done.attempt, done.written);
    }
    const found = intent.attemptAt > 0 ? await this.#findOwn(intent, parentId, name, call) : undefined;
    const attempt = this.#attempt(intent);
    try {
      const written = found ?? (await writes.createFolder(project, { parentId, name }, call));
      await this.#confirm(attempt, written);
    } catch (error) {
      if (isFailure(error, 'reply-lost')) return this.#folder(attempt, call);
      if (!isFailure(error, 'name-taken')) throw error;
      // A folder of that name is what was wanted, whoever made it.
      const other = await this.#childNamed(parentId, name, 'folder', call);
      if (!other) throw error;
      await this.#confirm(attempt, other);
    }
  }

  async #newFile(intent: Intent, call: CallOptions): Promise<void> {
    const { writes, project } = this.#o;
    const parentId = this.#parentId(intent);
    const name = linuxNames.decode(intent.name);
    const found = intent.attemptAt > 0 ? await this.#findOwn(intent, parentId, name, call) : undefined;
    if (found) return this.#confirm(this.#current(intent), found);
    const { uploadUuid, intent: uploaded } = await this.#upload(intent, name, call);
    const attempt = this.#attempt(uploaded);
    try {
      await this.#confirm(attempt, await writes.createFile(project, { parentId, name, uploadUuid }, call));
    } catch (error) {
      if (isFailure(error, 'reply-lost')) return this.#newFile(attempt, call);
      if (!isFailure(error, 'name-taken')) throw error;
      await this.#asConflict(attempt, undefined);
    }
  }

  async #knownFile(intent: Intent, call: CallOptions): Promise<void> {
    const { writes, project, client } = this.#o;
    const parentId = this.#parentId(intent);
    const name = linuxNames.decode(intent.name);
    if (!intent.dirty) {
      const done = await this.#patch(intent, (attempt) =>
        writes.updateFile(project, attempt.remoteId, placeChange(attempt, parentId, name), call),
      );
      return this.#confirm(done.attempt, done.written);
    }
    let current: RemoteItem;
    try {
      current = await client.file(project, intent.remoteId, call);
      if (current.deleted) throw new Failure('gone', { what: intent.name });
    } catch (error) {
      if (!isFailure(error, 'gone')) throw error;
      // Deleted at the server meanwhile: what was written here goes up as a new file.
      const fresh = { ...withoutIdentity(intent), attemptAt: 0, reason: 'it was deleted at the server meanwhile' };
      this.#replace(intent, fresh);
      return this.#newFile(fresh, call);
    }
    const serverTime = Math.floor(Date.now() / 1000);
    const isOwn =
      intent.attemptAt > 0 && this.#isOwn(current, intent) && (current.version?.number ?? 0) > intent.baseNumber;
    if (isOwn) return this.#confirm(this.#current(intent), { item: current, serverTime });
    if (current.version && intent.baseVersion !== NO_VERSION && current.version.id !== intent.baseVersion)
      return this.#asConflict(intent, current);
    const { uploadUuid, intent: uploaded } = await this.#upload(intent, name, call);
    const place = placeChange(uploaded, parentId, name);
    const done = await this.#patch(uploaded, async (attempt) => {
      // Only a change of the place takes content along in one call; a version by itself can carry a note.
      if (Object.keys(place).length > 0)
        return writes.updateFile(project, attempt.remoteId, { ...place, uploadUuid }, call);
      const { version, serverTime: at } = await writes.createVersion(
        project,
        attempt.remoteId,
        { uploadUuid, notes: `Saved by ${attempt.who}` },
        call,
      );
      return { item: withVersion(current, version, at), serverTime: at };
    });
    await this.#confirm(done.attempt, done.written);
  }

  /** A change of an existing item; may be repeated after a lost reply, since it says what is to be. */
  async #patch(
    intent: Intent,
    change: (attempt: Intent) => Promise<Written>,
  ): Promise<{ attempt: Intent; written: Written }> {
    const attempt = this.#attempt(intent);
    return { attempt, written: await change(attempt) };
  }

  /** Gives way to another item that goes to this one's place at the server while this one goes to its: 1 call more. */
  async stepAside(intent: Intent, signal: AbortSignal): Promise<void> {
    const { writes, project, outbox } = this.#o;
    const name = `${linuxNames.decode(intent.baseName)} (${intent.remoteId} moves)`;
    const call: CallOptions = { class: 'background', signal };
    await (intent.folder
      ? writes.updateFolder(project, intent.remoteId, { name }, call)
      : writes.updateFile(project, intent.remoteId, { name }, call));
    const now = outbox.intents.get(intent.inode);
    if (now?.remoteId === intent.remoteId) outbox.intents.put({ ...now, baseName: name });
  }

  /** Uploads the content; what an earlier attempt at the same content brought up is not sent again. */
  async #upload(intent: Intent, name: string, call: CallOptions): Promise<{ uploadUuid: string; intent: Intent }> {
    const { outbox, uploads, project, progress } = this.#o;
    const saved = intent.upload ? (JSON.parse(intent.upload) as SavedUpload) : undefined;
    // After a power cut the bytes must be there as long as the intent is.
    let current = outbox.durability.secure(await this.#materialize(intent));
    const { uuid } = await uploads.upload(
      project,
      {
        name,
        size: current.size,
        source: outbox.staging.path(intent.inode),
        ...(saved ? { resume: saved } : {}),
        save: (state) => {
          const next = { ...this.#current(current), upload: JSON.stringify(state) };
          this.#replace(current, next);
          current = next;
        },
        progress: (bytes) => progress(intent.inode, bytes),
      },
      call,
    );
    return { uploadUuid: uuid, intent: this.#current(current) };
  }

  /** Content that is still only a version at the server is brought into the staging file. */
  async #materialize(intent: Intent): Promise<Intent> {
    const { outbox } = this.#o;
    const item = outbox.tree.item(intent.inode);
    if (!item) throw new Superseded();
    // The one working file that readers and writers use: what they write meanwhile is not overwritten.
    const file = await outbox.open(item, false, false);
    try {
      await file.complete();
      const now = this.#current(intent);
      if (now.staged && !now.gaps && now.contentItem === NO_REMOTE) return now;
      file.sync();
      outbox.staging.syncFolder();
      const next = { ...now, staged: true, gaps: undefined, contentItem: NO_REMOTE, contentVersion: NO_VERSION };
      this.#replace(now, next);
      return next;
    } finally {
      outbox.release(intent.inode, file, false, 0);
    }
  }

  /** Both contents are kept: the server's under the name, ours beside it. */
  async #asConflict(intent: Intent, theirs: RemoteItem | undefined): Promise<void> {
    const { outbox, store, log } = this.#o;
    const current = this.#current(intent);
    const inode = outbox.intents.newInode();
    const name = conflictName(current.name, new Date());
    if (outbox.staging.has(current.inode)) outbox.staging.duplicate(current.inode, inode);
    const copy: Intent = {
      ...withoutIdentity(current),
      inode,
      name,
      state: 'held',
      reason: 'somebody else was faster',
      stagedAt: 0,
      attemptAt: 0,
      changedAt: Date.now(),
    };
    outbox.intents.change([copy], [current.inode]);
    outbox.staging.remove(current.inode);
    log.warn({ path: outbox.tree.pathOf(copy) }, 'a conflict: both versions are kept');
    if (theirs) await store.ingestItems([theirs], Math.floor(Date.now() / 1000));
    store.events.emit('changed', [
      {
        inode: current.inode,
        before: { parent: current.parent, name: current.name },
        after: undefined,
        replacedSequence: current.sequence,
      },
      { inode, before: undefined, after: { parent: copy.parent, name }, replacedSequence: undefined },
    ]);
    outbox.events.emit('changed');
  }

  /** The server has it: the mirror gets the row, under the inode that it has here, and the intent goes. */
  async #confirm(attempt: Intent, written: Written): Promise<void> {
    const { store } = this.#o;
    const { item } = written;
    if (!item) throw new Failure('bad-reply', { host: 'the server', call: attempt.name, why: 'it names no item' });
    await store.confirm(item, written.serverTime, attempt.inode, attempt.sequence);
    if (attempt.dirty) this.#o.checkedIn(attempt.inode);
    this.#finish(attempt, item);
  }

  #finish(attempt: Intent, item: RemoteItem | undefined): void {
    const { outbox, content } = this.#o;
    const { intents, staging } = outbox;
    const now = intents.get(attempt.inode);
    if (!now) return;
    if (now !== attempt) {
      const next = item && rebased(now, attempt, item);
      if (next && !isNothing(next)) intents.change(outbox.staysLocal.settled(next, Date.now()));
      if (!next || !isNothing(next)) return;
    }
    intents.change([], [attempt.inode]);
    if (!item || attempt.folder) return;
    const versionId = item.version?.id ?? NO_VERSION;
    // Times and mode may have been set since.
    intents.setAttributes(attempt.inode, { versionId, mtime: now.mtime, mode: now.mode });
    if (!attempt.staged || outbox.working(attempt.inode)) return;
    const version = { id: versionId, remoteId: item.id, size: attempt.size, label: attempt.name };
    const same = item.version?.size === attempt.size;
    if (!(same && attempt.size > 0 && content.adopt(staging.path(attempt.inode), version)))
      staging.remove(attempt.inode);
  }

  /** Written down before the call, on the platter: after a crash or a lost reply one looks before repeating. */
  #attempt(intent: Intent): Intent {
    const attempt: Intent = { ...this.#current(intent), attemptAt: Date.now(), state: 'uploading' };
    this.#replace(intent, attempt);
    this.#o.outbox.intents.sync();
    return attempt;
  }

  /** @throws Superseded when a person changed the item since */
  #current(intent: Intent): Intent {
    if (this.#o.outbox.intents.get(intent.inode) !== intent) throw new Superseded();
    return intent;
  }

  #replace(before: Intent, after: Intent): void {
    this.#current(before);
    this.#o.outbox.intents.put(after);
  }

  #parentId(intent: Intent): RemoteId {
    const id = this.#o.outbox.tree.remoteIdOf(intent.parent);
    if (id === undefined) throw new Failure('parent-missing', { path: this.#o.outbox.tree.pathOf(intent) });
    return id;
  }

  /** What an earlier attempt made although its reply was lost. */
  async #findOwn(intent: Intent, parentId: RemoteId, name: string, call: CallOptions): Promise<Written | undefined> {
    const found = await this.#childNamed(parentId, name, intent.folder ? 'folder' : 'file', call);
    return found?.item && this.#isOwn(found.item, intent) ? found : undefined;
  }

  async #childNamed(
    parentId: RemoteId,
    name: string,
    type: 'file' | 'folder',
    call: CallOptions,
  ): Promise<Written | undefined> {
    const { client, project } = this.#o;
    const { children, serverTime } = await client.folder(project, parentId, call);
    const clean = (text: string): string =>
      text
        .normalize('NFC')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}.]+/gu, '-');
    const item =
      children.find((child) => child.type === type && child.name === name) ??
      // The server may have cleaned the name.
      children.find((child) => child.type === type && clean(child.name) === clean(name));
    return item && { item, serverTime };
  }

  /** Whether a reply that was lost may have made this: by our account, of our size, since the attempt. */
  #isOwn(item: RemoteItem, intent: Intent): boolean {
    // Clocks differ: an hour is more than any, and less than a working day.
    if (item.updatedAt * 1000 < intent.attemptAt - 3_600_000) return false;
    if (intent.folder) return true;
    const by = item.version?.createdBy;
    return item.version?.size === intent.size && (by === undefined || this.#o.account.includes(by));
  }
}

/** Name and folder, where they differ from the server's. */
function placeChange(intent: Intent, parentId: RemoteId, name: string): { name?: string; parentId?: RemoteId } {
  return {
    ...(intent.name === intent.baseName ? {} : { name }),
    ...(intent.parent === intent.baseParent ? {} : { parentId }),
  };
}

/** The file after a version was added to it: whoever adds one checks the file in (API reference, Files). */
const withVersion = (file: RemoteItem, version: RemoteVersion, serverTime: number): RemoteItem => ({
  ...file,
  version,
  updatedAt: Math.max(file.updatedAt, serverTime),
  checkedOutBy: undefined,
  checkedOutUntil: undefined,
});

/** A newer intent on top of what the server has confirmed meanwhile. */
function rebased(now: Intent, sent: Intent, item: RemoteItem): Intent {
  // A change of the content begins a new upload; a change of the times does not.
  const sameUpload = now.upload === sent.upload && (sent.upload !== undefined || now.mtime === sent.mtime);
  const sameContent = now.flushed && sameUpload && now.size === sent.size;
  return {
    ...now,
    remoteId: item.id,
    baseParent: sent.parent,
    baseName: sent.name,
    baseVersion: item.version?.id ?? NO_VERSION,
    baseNumber: item.version?.number ?? 0,
    baseSize: item.version?.size ?? 0,
    dirty: now.dirty && !sameContent,
    attemptAt: 0,
    state: now.state === 'uploading' ? 'held' : now.state,
  };
}
