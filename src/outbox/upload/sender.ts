import { Failure, isFailure } from '../../base/errors.js';
import type { Inode, RemoteId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { CallOptions } from '../../budget/calls.js';
import { appeared, disappeared, moved } from '../../mirror/database/changes.js';
import type { Removals } from '../../mirror/removal.js';
import { linuxNames } from '../../names/linux.js';
import type { RemoteItem, RemoteVersion } from '../../procore/items.js';
import type { Uploads } from '../../procore/uploads.js';
import type { ProcoreWrites, Written, WrittenItem } from '../../procore/writes.js';
import { goalOf, savedUpload } from '../intents/attempt.js';
import { hasNothingOfItsOwn, isNothing, withoutIdentity } from '../intents/changes.js';
import { type Intent, isLocal, NO_ATTEMPT, NO_REMOTE, NO_VERSION, placed, renamedTo } from '../intents/intent.js';
import { coveredBy } from '../scheduler/order.js';
import { Attempts, type AttemptsOptions, Superseded } from './attempts.js';
import { nameBeside } from './conflict-name.js';
import { Deletions, type DeletionsOptions } from './deletion.js';

export interface SenderOptions extends AttemptsOptions {
  readonly writes: ProcoreWrites;
  readonly uploads: Uploads;
  readonly removals: Removals;
  readonly log: Log;
  /** Reports how many bytes of an upload have been sent so far. */
  readonly progress: (inode: Inode, bytes: number) => void;
}

/** Applies one intent at the server. Each call that changes something is recorded before it is made. */
export class Sender {
  readonly #options: SenderOptions;
  readonly attempts: Attempts;
  readonly deletions: Deletions;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.attempts = new Attempts(options);
    const keepContent: DeletionsOptions['keepContent'] = (deletion, call) => this.#keepContent(deletion, call);
    this.deletions = new Deletions({ ...options, attempts: this.attempts, keepContent });
  }

  /** Resolves when the server has the change, or a newer local change superseded it. @throws Failure of the attempt */
  async send(intent: Intent, signal: AbortSignal): Promise<void> {
    const call: CallOptions = { class: 'background', signal };
    const folder = this.#options.outbox.tree.remoteIdOf(intent.here.parent);
    try {
      await this.#bring(intent, call).catch(async (error: unknown) => {
        // An unknown upload may have been consumed by an earlier call that took effect after the last lookup.
        const isInDoubt = isFailure(error, 'reply-lost') || isFailure(error, 'upload-unknown');
        const now = this.#options.outbox.intents.get(intent.inode);
        if (!isInDoubt || !now || !(await this.attempts.resolve(now, call))) throw error;
      });
    } catch (error) {
      // The parent folder was deleted and has been created anew: the next attempt uses the new folder.
      const isElsewhere =
        isFailure(error, 'gone') && this.#options.outbox.tree.remoteIdOf(intent.here.parent) !== folder;
      if (!(error instanceof Superseded) && !isElsewhere) throw error;
    } finally {
      this.attempts.end(intent.inode);
    }
  }

  async #bring(intent: Intent, call: CallOptions): Promise<void> {
    if (isNothing(intent)) this.attempts.putOrDrop(this.attempts.current(intent));
    else if (intent.deleted && intent.remoteId !== NO_REMOTE) await this.deletions.send(intent, call);
    else if (intent.attempt.goal) await this.attempts.resolve(intent, call);
    else if (intent.folder) await this.#folder(intent, call);
    else if (intent.remoteId === NO_REMOTE) await this.#newFile(intent, call);
    else await this.#knownFile(intent, call);
  }

  /**
   * Downloads the content of local items that still come from a file, as in a desktop's trash, before the server
   * deletes the file.
   */
  async #keepContent(deletion: Intent, call: CallOptions): Promise<void> {
    const { outbox } = this.#options;
    const going = deletion.folder ? [deletion, ...coveredBy(deletion, outbox)] : [deletion];
    for (const { remoteId } of going)
      for (const keeper of outbox.intents.takingContentOf(remoteId)) {
        if (!isLocal(keeper)) continue;
        try {
          await this.#materialize(keeper, call);
        } catch (error) {
          // Another user deleted the file for good, so its content cannot be fetched any more.
          if (!isFailure(error, 'gone') && !isFailure(error, 'version-gone')) throw error;
        }
      }
  }

  async #folder(intent: Intent, call: CallOptions): Promise<void> {
    const { writes, project } = this.#options;
    const parentId = this.#parentId(intent);
    const name = linuxNames.decode(intent.here.name);
    if (intent.remoteId !== NO_REMOTE)
      return this.#move(intent, call, (attempt) =>
        writes.updateFolder(project, attempt.remoteId, placeChange(attempt, parentId, name), call),
      );
    const attempt = this.attempts.begin(intent, goalOf(intent));
    try {
      await this.attempts.confirm(
        attempt,
        await this.attempts.answered(attempt, () => writes.createFolder(project, { parentId, name }, call)),
        call,
      );
    } catch (error) {
      if (!isFailure(error, 'name-taken')) throw error;
      // A folder of that name satisfies the intent, no matter who created it.
      const other = await this.attempts.lookup.childNamed(parentId, name, 'folder', call);
      const own = other && this.#options.outbox.intents.ofRemote(other.item.id);
      // If another intent moves or deletes that folder, that intent must be sent first.
      if (!other || (own && own.inode !== attempt.inode)) throw error;
      await this.attempts.confirm(attempt, other, call);
    }
  }

  async #newFile(intent: Intent, call: CallOptions): Promise<void> {
    const { writes, project } = this.#options;
    const parentId = this.#parentId(intent);
    const name = linuxNames.decode(intent.here.name);
    const { uploadUuid, intent: uploaded } = await this.#upload(intent, name, call);
    const attempt = this.attempts.begin(uploaded, goalOf(uploaded));
    try {
      await this.attempts.confirm(
        attempt,
        await this.attempts.answered(attempt, () => writes.createFile(project, { parentId, name, uploadUuid }, call)),
        call,
      );
    } catch (error) {
      if (!isFailure(error, 'name-taken')) throw error;
      if (!(await this.attempts.cameLate(attempt, parentId, call))) await this.#asConflict(attempt, undefined);
    }
  }

  async #knownFile(intent: Intent, call: CallOptions): Promise<void> {
    const { writes, project, client } = this.#options;
    const parentId = this.#parentId(intent);
    const name = linuxNames.decode(intent.here.name);
    if (!intent.content.dirty)
      return this.#move(intent, call, (attempt) =>
        writes.updateFile(project, attempt.remoteId, placeChange(attempt, parentId, name), call),
      );
    let current: WrittenItem;
    try {
      current = await client.fileNow(project, intent.remoteId, call);
      if (current.item.deleted) throw new Failure('gone', { what: intent.here.name });
    } catch (error) {
      if (!isFailure(error, 'gone')) throw error;
      // The file was deleted at the server meanwhile: the local content is uploaded as a new file.
      const fresh = asNew(intent);
      this.attempts.replace(intent, fresh);
      return this.#newFile(fresh, call);
    }
    const from = await this.#from(intent, current, call);
    if (!from) return;
    const { clock } = this.#options.outbox;
    const began = clock.monotonic();
    const { uploadUuid, intent: sent } = await this.#upload(from, name, call);
    let uploaded: Intent | undefined = sent;
    if (clock.monotonic() - began > LOOK_AGAIN_MS) {
      current = await client.fileNow(project, intent.remoteId, call);
      uploaded = await this.#from(this.attempts.current(sent), current, call);
      if (!uploaded) return;
    }
    const { item: before } = current;
    const place = placeChange(uploaded, parentId, name);
    const done = await this.#patch(uploaded, call, async (attempt) => {
      // Only a move or rename can take content along in the same call. A version created by itself can carry a note.
      if (Object.keys(place).length > 0)
        return writes.updateFile(project, attempt.remoteId, { ...place, uploadUuid }, call);
      const { version, serverTime: at } = await writes.createVersion(
        project,
        attempt.remoteId,
        { uploadUuid, notes: `Saved by ${attempt.who}` },
        call,
      );
      return { item: withVersion(before, version, at), serverTime: at };
    });
    await this.attempts.confirm(done.attempt, done.written, call);
  }

  /**
   * The intent to send on top of the file's current version. Undefined: the server has the content already, or the
   * content is kept as a conflict beside that version.
   */
  async #from(intent: Intent, current: WrittenItem, call: CallOptions): Promise<Intent | undefined> {
    if (!isAnother(current.item, intent)) return intent;
    const next = await this.attempts.wentOn(intent, current, call);
    if (!next) await this.#asConflict(intent, current);
    return next === 'done' ? undefined : next;
  }

  /** Moves an item without local content. `#gone` handles an item that was deleted at the server meanwhile. */
  async #move(intent: Intent, call: CallOptions, change: (attempt: Intent) => Promise<Written>): Promise<void> {
    try {
      const done = await this.#patch(intent, call, change);
      await this.attempts.confirm(done.attempt, done.written, call);
    } catch (error) {
      await this.#gone(intent, call, error);
    }
  }

  /**
   * Handles an item that was deleted at the server. An item that was only moved here is deleted here too. An item with
   * local content, or a folder with pending changes in it, is created anew.
   * @throws the error of the call, if its cause is not such a deletion
   */
  async #gone(intent: Intent, call: CallOptions, error: unknown): Promise<void> {
    if (!isFailure(error, 'gone')) throw error;
    const { outbox, store } = this.#options;
    const sighting = await this.attempts.lookup.sight(intent, goalOf(intent), call);
    const now = outbox.intents.get(intent.inode);
    if (sighting || !now) throw error;
    if (hasNothingOfItsOwn(now, outbox.intents)) this.#letGo(now);
    else if (!now.deleted) this.attempts.replace(now, asNew(now));
    await store.confirmDeletion(intent.remoteId, 0);
    if (now.deleted) throw error;
  }

  #letGo(intent: Intent): void {
    const { outbox, log } = this.#options;
    const { inode } = intent;
    log.warn({ path: outbox.tree.pathOf(intent.here) }, 'it was moved here and deleted at the server: it is deleted');
    outbox.intents.change([], [inode]);
    if (intent.content.staged && !outbox.working(inode)) outbox.staging.remove(inode);
    outbox.tree.tell([disappeared(placed(intent), intent.sequence)]);
  }

  /** Changes an existing item. The call states the target state, so it may be repeated after a lost reply. */
  async #patch(
    intent: Intent,
    call: CallOptions,
    change: (attempt: Intent) => Promise<Written>,
  ): Promise<{ attempt: Intent; written: Written }> {
    const attempt = this.attempts.begin(intent, goalOf(intent));
    try {
      return { attempt, written: await this.attempts.answered(attempt, () => change(attempt)) };
    } catch (error) {
      if (!isFailure(error, 'name-taken')) throw error;
      // An earlier call may have moved the item there.
      if (!(await this.attempts.resolve(attempt, call))) this.#standBeside(attempt);
      throw new Superseded();
    }
  }

  /** Another user's item has taken the target place: the item gets a conflict name beside it. */
  #standBeside({ inode, here: { parent, name } }: Intent): void {
    const { outbox, log } = this.#options;
    const { intents, tree, clock } = outbox;
    const now = intents.get(inode);
    if (!now || now.deleted || now.here.parent !== parent || now.here.name !== name) return;
    const beside: Intent = { ...renamedTo(now, nameBeside(name, parent, outbox)), changedAt: clock.now() };
    intents.put(beside);
    log.warn({ path: tree.pathOf(beside.here) }, 'its name was taken at the server meanwhile: it stands beside it');
    tree.tell([moved(placed(now), placed(beside))]);
  }

  /**
   * Renames an item to a temporary name at the server, to break a cycle of items that wait for each other's places.
   * Costs 1 extra call.
   */
  async freePlace(intent: Intent, signal: AbortSignal): Promise<void> {
    const { writes, project, outbox, store } = this.#options;
    const aside = `${intent.base.name} (${intent.remoteId} moves)`;
    const name = linuxNames.decode(aside);
    const call: CallOptions = { class: 'background', signal };
    try {
      const { here, base } = intent;
      const goal = { parent: base.parent, name: aside, size: here.size, upload: undefined };
      const attempt = this.attempts.begin(intent, goal);
      const { item, serverTime } = await this.attempts.answered(attempt, () =>
        intent.folder
          ? writes.updateFolder(project, intent.remoteId, { name }, call)
          : writes.updateFile(project, intent.remoteId, { name }, call),
      );
      // The mirror records the temporary name, so that the item that takes the place also gets the plain name here.
      if (item) await store.confirm(item, serverTime, intent.inode, { sequence: intent.sequence, name: aside });
      const now = outbox.intents.ofAttempt(attempt.attempt.at);
      if (now) this.attempts.putOrDrop({ ...now, attempt: NO_ATTEMPT, base: { ...now.base, name: aside } });
    } catch (error) {
      if (!(error instanceof Superseded)) await this.#gone(intent, call, error);
    } finally {
      this.attempts.end(intent.inode);
    }
  }

  /** Uploads the content. Parts that an earlier attempt at the same content has uploaded are not sent again. */
  async #upload(intent: Intent, name: string, call: CallOptions): Promise<{ uploadUuid: string; intent: Intent }> {
    const { outbox, uploads, project, progress } = this.#options;
    const resume = savedUpload(intent);
    // The bytes must be on disk first: after a power cut they must exist for as long as the intent does.
    const whole = await this.#materialize(intent, call);
    // A change made meanwhile may have removed the bytes: then `current` throws `Superseded`.
    await outbox.durability.secure(whole).finally(() => this.attempts.current(whole));
    let current = outbox.durability.secured(whole);
    const { uuid } = await uploads.upload(
      project,
      {
        name,
        size: current.here.size,
        source: outbox.staging.path(intent.inode),
        ...(resume ? { resume } : {}),
        save: (state) => {
          const { content } = this.attempts.current(current);
          const next = { ...current, content: { ...content, upload: JSON.stringify(state) } };
          this.attempts.replace(current, next);
          current = next;
        },
        progress: (bytes) => progress(intent.inode, bytes),
      },
      call,
    );
    return { uploadUuid: uuid, intent: this.attempts.current(current) };
  }

  /** Downloads content that exists only as a version at the server into the staging file. */
  async #materialize(intent: Intent, { signal }: CallOptions): Promise<Intent> {
    const { outbox } = this.#options;
    const item = outbox.tree.item(intent.inode);
    if (!item) throw new Superseded();
    // Readers and writers share this working file, so what they write meanwhile is not overwritten.
    const file = await outbox.open(item, false, false);
    try {
      await file.complete(signal);
      const now = this.attempts.current(intent);
      const { content } = now;
      if (content.staged && !content.gaps && content.item === NO_REMOTE) return now;
      await file.sync();
      await outbox.staging.syncFolderLater();
      const whole = { ...content, staged: true, gaps: undefined, item: NO_REMOTE, version: NO_VERSION };
      const next = { ...now, content: whole };
      outbox.staging.noteGaps(intent.inode, undefined);
      this.attempts.replace(now, next);
      return next;
    } finally {
      outbox.release(file, false, 0);
    }
  }

  /** Keeps both contents of a conflict: the server's under the name, the local one beside it under a conflict name. */
  async #asConflict(intent: Intent, theirs: WrittenItem | undefined): Promise<void> {
    const { outbox, store, log } = this.#options;
    const current = this.attempts.current(intent);
    const inode = outbox.intents.newInode();
    const name = nameBeside(current.here.name, current.here.parent, outbox);
    if (outbox.staging.has(current.inode)) outbox.staging.duplicate(current.inode, inode);
    const fresh = withoutIdentity(renamedTo(current, name));
    const copy: Intent = {
      ...fresh,
      inode,
      content: { ...fresh.content, stagedAt: 0 },
      state: 'held',
      reason: 'somebody else was faster',
      changedAt: outbox.clock.now(),
    };
    outbox.intents.change([copy], [current.inode]);
    outbox.continueAs(current.inode, inode);
    outbox.staging.remove(current.inode);
    log.warn({ path: outbox.tree.pathOf(copy.here) }, 'a conflict: both versions are kept');
    if (theirs) await store.ingestItems([theirs.item], theirs.serverTime);
    outbox.tree.tell([disappeared(placed(current), current.sequence), appeared(placed(copy))]);
    outbox.events.emit('changed');
  }

  #parentId(intent: Intent): RemoteId {
    const { tree } = this.#options.outbox;
    const id = tree.remoteIdOf(intent.here.parent);
    if (id === undefined) throw new Failure('parent-missing', { path: tree.pathOf(intent.here) });
    return id;
  }
}

/** Milliseconds. After an upload longer than this, the file's version is checked again before a version is added. */
const LOOK_AGAIN_MS = 10_000;

/** Whether the file's current version differs from the one that the local content is based on. */
const isAnother = ({ version }: RemoteItem, { base }: Intent): boolean =>
  version !== undefined && base.version !== NO_VERSION && version.id !== base.version;

/** The intent that creates an item anew after its deletion at the server. */
const asNew = (intent: Intent): Intent => ({
  ...withoutIdentity(intent),
  reason: 'it was deleted at the server meanwhile',
});

/** Name and folder, where they differ from the server's. */
const placeChange = (
  { here, base }: Intent,
  parentId: RemoteId,
  name: string,
): { name?: string; parentId?: RemoteId } => ({
  ...(here.name === base.name ? {} : { name }),
  ...(here.parent === base.parent ? {} : { parentId }),
});

/** The file after a version was added. Adding a version checks the file in (API reference, Files). */
const withVersion = (file: RemoteItem, version: RemoteVersion, serverTime: number): RemoteItem => ({
  ...file,
  version,
  updatedAt: Math.max(file.updatedAt, serverTime),
  checkedOutBy: undefined,
  checkedOutUntil: undefined,
});
