import { EventEmitter } from 'node:events';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../base/errors.js';
import type { Inode, VersionId } from '../base/ids.js';
import type { OpenBlob } from '../cache/open-blob.js';
import type { Reading } from '../cache/reader.js';
import type { ContentVersion } from '../cache/source.js';
import { mayBeThere } from './intents/attempt.js';
import { isNoted, isNothing, made, tombstone, untouched, withIdentityOf, withoutIdentity } from './intents/changes.js';
import { INCOMPLETE, type Intent, isLocal, NO_VERSION } from './intents/intent.js';
import { Intents } from './intents/intents.js';
import { LateCalls } from './intents/late-calls.js';
import { WithdrawnDeletions } from './intents/withdrawn-deletions.js';
import { requireNoDocument } from './no-delete.js';
import type { OutboxOptions } from './outbox-options.js';
import { isOwnAndNew } from './own-items.js';
import { recover } from './recover.js';
import { longestBelow } from './tree/longest-below.js';
import { type NameGuard, namePolicy } from './tree/name-policy.js';
import { Permissions } from './tree/permissions.js';
import { type LocalItem, Tree, versionOf } from './tree/tree.js';
import { who } from './who.js';
import { beginWorking } from './working/begin-working.js';
import { DetachedFiles } from './working/detached-files.js';
import { DiskReserve } from './working/disk-reserve.js';
import { Durability } from './working/durability.js';
import { Staging } from './working/staging.js';
import { StaysLocal } from './working/stays-local.js';
import { WorkingFile } from './working/working-file.js';

/**
 * The local changes to a project. Each change is recorded before it is acknowledged. Mirror and changes form one tree.
 */
export class Outbox {
  readonly clock: OutboxOptions['clock'];
  readonly tree: Tree;
  readonly intents: Intents;
  readonly staging: Staging;
  readonly durability: Durability;
  readonly names: NameGuard;
  readonly staysLocal: StaysLocal;
  readonly permissions: Permissions;
  readonly kept: WithdrawnDeletions;
  readonly late: LateCalls;
  /** `changed`: an intent may have become ready to be sent. */
  readonly events = new EventEmitter<{ changed: [] }>();
  readonly #options: OutboxOptions;
  readonly #files = new Map<Inode, WorkingFile>();
  readonly #detachedFiles: DetachedFiles;
  readonly #opening = new Map<Inode, Promise<WorkingFile>>();

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { folder, reserve, clock, view } = options;
    this.clock = clock;
    this.intents = new Intents(join(folder, 'outbox.db'), new DiskReserve(join(folder, 'ballast'), clock), clock, view);
    this.staging = new Staging(folder, reserve, clock);
    this.tree = new Tree(view, this.intents);
    this.kept = new WithdrawnDeletions(this.intents.database, { ...options, ...this });
    this.permissions = new Permissions(this.tree, clock);
    this.names = namePolicy(this.tree, options.temporary, options.log, clock);
    this.staysLocal = new StaysLocal(this.intents, this.names);
    this.durability = new Durability({ ...options, intents: this.intents, staging: this.staging });
    this.#detachedFiles = new DetachedFiles({ ...options, ...this });
    this.late = new LateCalls(this.intents.database, clock, () => view.number('poll.at'));
    recover(this, view, options.log);
  }

  /** The open working file of an item, if it holds the item's current content. */
  working(inode: Inode): WorkingFile | undefined {
    const file = this.#files.get(inode);
    return file && !this.#detachedFiles.isOutdated(file) ? file : undefined;
  }

  /** The server has stored the item's content as this version. */
  confirmed(inode: Inode, version: VersionId): void {
    const file = this.#files.get(inode);
    if (file) file.madeFrom = version;
  }

  /** Hands the open working file of one item over to another item. The bytes stay the same. */
  continueAs(from: Inode, to: Inode): void {
    const file = this.#files.get(from);
    if (!file) return;
    this.#files.delete(from);
    file.become(to);
    this.#files.set(to, file);
  }

  /** @throws Failure `name-refused`, `path-too-long`, `disk-full` */
  create(parent: LocalItem, name: string, uid: number): { readonly item: LocalItem; readonly file: WorkingFile } {
    this.names.require(parent, name, false, uid);
    this.staging.requireSpace(0);
    const now = this.clock.now();
    const inode = this.intents.newInode();
    const fd = this.staging.open(inode, true);
    let file: WorkingFile | undefined;
    try {
      file = new WorkingFile(inode, fd);
      const { intent, others, drop } = this.staysLocal.enter(
        made(inode, parent.inode, name, false, now, who(uid)),
        now,
      );
      if (others.length > 0 || drop.length > 0) this.intents.change([intent, ...others], drop);
      else this.durability.putSoon(intent);
    } catch (error) {
      if (file) file.close();
      else closeSync(fd);
      this.#removeStaged(inode);
      throw error;
    }
    this.#files.set(inode, file);
    return { item: this.tree.required(inode), file };
  }

  mkdir(parent: LocalItem, name: string, uid: number): LocalItem {
    this.names.require(parent, name, true, uid);
    const now = this.clock.now();
    const inode = this.intents.newInode();
    const intent = made(inode, parent.inode, name, true, now, who(uid));
    this.#put({ ...intent, ...this.staysLocal.firstState(intent) });
    return this.tree.required(inode);
  }

  /** @param item the item as it was when the request arrived */
  unlink(item: LocalItem, uid: number): void {
    const now = this.clock.now();
    const intent = this.#intentOf(item, uid, now, item);
    this.#requireDelete(intent);
    if (mayBeThere(intent)) this.#put({ ...this.#tombstone(item.inode, intent, now), here: intent.here });
    else this.intents.change([], [item.inode]);
    this.#unlinked(item.inode);
    this.#changed();
  }

  #tombstone(inode: Inode, of: Intent, now: number): Intent {
    return { ...tombstone(inode, of, now), released: isOwnAndNew(of, this.tree.view, this.intents) };
  }

  /** @throws Failure `folder-not-empty` */
  rmdir(item: LocalItem, uid: number): void {
    const folder = this.tree.current(item);
    if (!this.tree.isEmpty(folder)) throw new Failure('folder-not-empty', { path: item.name });
    this.unlink(folder, uid);
  }

  /**
   * Moves an item. An item at the target is replaced, as rename(2) says. A file's identity at the server stays with its
   * name, so that a program that saves by renaming creates a new version of the same document.
   * @param over what stood at the target when the request arrived; undefined: nothing may be replaced
   */
  async rename(
    from: LocalItem,
    to: LocalItem,
    newName: string,
    over: { readonly seen: LocalItem | undefined } | undefined,
    uid: number,
  ): Promise<void> {
    const below = (folder: LocalItem) => longestBelow(folder, this, this.#options.longestBelow);
    await this.names.requireMove(from, to, newName, uid, below);
    // During the wait the server may have confirmed changes, and other items may have come or gone.
    const item = this.tree.current(from);
    const parent = this.tree.current(to);
    const found = this.tree.child(parent, newName);
    if (found?.inode === item.inode && newName === item.name) return;
    const replaced = found?.inode === item.inode ? undefined : found;
    const name = replaced?.name ?? newName;
    if (replaced) this.tree.requireReplaceable(item, replaced, over !== undefined);
    const now = this.clock.now();
    const before = this.#intentOf(item, uid, now);
    this.staysLocal.requireMove(before, parent.intent, name);
    if (isLocal(parent.intent) && mayBeThere(before)) this.#requireDelete(before);
    const place = { parent: parent.inode, name };
    let intent: Intent = { ...before, here: { ...before.here, ...place }, changedAt: now };
    const others: Intent[] = [];
    const drop: Inode[] = [];
    if (replaced) {
      const old = this.#intentOf(replaced, uid, now, this.tree.asSeen(replaced, over?.seen));
      if (mayBeThere(old) && (mayBeThere(before) || old.folder)) this.#requireDelete(old);
      if (!mayBeThere(old)) drop.push(replaced.inode);
      else if (replaced.isFile) {
        drop.push(replaced.inode);
        if (mayBeThere(intent)) {
          others.push(this.#tombstone(this.intents.newInode(), intent, now));
          intent = withoutIdentity(intent);
        }
        intent = withIdentityOf(intent, old);
      } else others.push({ ...this.#tombstone(replaced.inode, old, now), here: { ...old.here, ...place } });
    }
    if (!replaced || isLocal(parent.intent)) {
      const placed = this.staysLocal.enter(intent, now);
      intent = placed.intent;
      others.push(...placed.others);
      drop.push(...placed.drop);
    }
    const wasLocal = isLocal(intent);
    intent = { ...intent, ...this.staysLocal.stateAfterMove(intent) };
    if (intent.folder && isLocal(intent) !== wasLocal) others.push(...this.staysLocal.below(intent));
    if (isNothing(intent) && !this.#files.has(intent.inode)) this.intents.change(others, [...drop, intent.inode]);
    else this.intents.change([intent, ...others], drop);
    if (replaced) this.#unlinked(replaced.inode);
    this.#changed();
  }

  /**
   * Opens the working file of an existing item and adds a handle to it. It holds the current content unless `truncate`
   * is set. Parts that are not on disk yet are downloaded in the background. `grows`: writes may need disk space.
   */
  async open(item: LocalItem, writing: boolean, truncate: boolean, grows = writing): Promise<WorkingFile> {
    if (grows) this.staging.requireSpace(0);
    const known = this.#files.get(item.inode);
    if (known && this.#detachedFiles.isOutdated(known)) this.#detach(known);
    let file = this.#files.get(item.inode);
    if (!file) {
      const opening = this.#opening.get(item.inode) ?? this.#openFile(item, truncate);
      this.#opening.set(item.inode, opening);
      try {
        file = await opening;
      } finally {
        this.#opening.delete(item.inode);
      }
    }
    // A concurrent open may have failed and closed the file.
    if (this.#files.get(item.inode) !== file) return this.open(item, writing, truncate, grows);
    const intent = this.intents.get(item.inode);
    try {
      // From here until the next flush the content is not acknowledged.
      if (writing && intent?.content.flushed && intent.content.dirty)
        this.intents.put({ ...intent, content: { ...intent.content, flushed: false }, state: 'open' });
      if (truncate && file.size > 0) {
        file.truncate(0);
        const cut = this.intents.get(file.inode);
        if (cut?.content.gaps) this.intents.put(this.#withGapsOf(file, cut));
      }
    } catch (error) {
      if (file.handles === 0) this.#closeFile(file);
      throw error;
    }
    file.handles++;
    if (writing) file.writers++;
    return file;
  }

  /**
   * Acknowledges the content written so far: it survives a crash of the daemon. With `synced` it is on stable storage
   * and survives a crash of the machine. `isWhole`: no write can be missing, although the disk is full.
   */
  flush(file: WorkingFile, uid: number, { synced = false, isWhole = false } = {}): void {
    let durable = synced;
    const { changed: seen, size, mtime } = file.look();
    if (file.isUnlinked) return;
    if (seen && this.#detachedFiles.isOutdated(file)) this.#detach(file);
    if (file.detachedPlace && !(seen && this.#detachedFiles.record(file, uid))) return;
    const known = this.intents.get(file.inode);
    const wasDurable = known?.content.staged && known.content.flushed && known.content.volatile === undefined;
    // A file that is closed right after a sync must not count as volatile again.
    if (seen?.isDoubtful && wasDurable) durable = true;
    const isVolatile = durable && known?.content.volatile !== undefined;
    if (!seen && !isVolatile && (known === undefined || known.content.flushed)) return;
    if (known?.deleted) return;
    if (seen && known && !durable && !file.failed && isNoted(known, seen, mtime, this.durability.place)) {
      file.acknowledged(seen);
      return;
    }
    const now = this.clock.now();
    // An item that was unlinked meanwhile needs no record.
    const current = known ? undefined : this.tree.item(file.inode);
    if (!known && !current) return;
    const base = known ?? untouched(current!, now, who(uid));
    if (durable && !synced) {
      file.syncNow();
      this.staging.syncFolder();
    }
    const { content } = base;
    const { gaps } = file;
    if (gaps || content.gaps) this.staging.noteGaps(file.inode, gaps);
    this.intents.put({
      ...base,
      here: { ...base.here, size, mtime },
      content: {
        ...content,
        staged: true,
        gaps,
        dirty: content.dirty || seen !== undefined,
        flushed: true,
        stagedAt: gaps ? 0 : (seen?.mtimeMs ?? content.stagedAt),
        volatile: durable ? undefined : seen ? this.durability.place : content.volatile,
        upload: seen ? undefined : content.upload,
      },
      ...(seen ? { changedAt: now, attempts: 0 } : {}),
      ...this.staysLocal.firstState(base),
      ...(file.failed || (seen && !isWhole && this.staging.isFull) ? { reason: INCOMPLETE, released: false } : {}),
    });
    if (seen) file.acknowledged(seen);
    if (!durable) this.durability.acknowledged();
    this.#changed();
  }

  /** As `flush`, with the content on stable storage. */
  async sync(file: WorkingFile, uid: number): Promise<void> {
    await file.complete();
    await this.durability.syncFile(file);
    this.flush(file, uid, { synced: true });
    await this.durability.syncIntents();
  }

  /** Closes a handle. Throws only after the handle is closed, if the written content could not be recorded. */
  release(file: WorkingFile, wasWriting: boolean, uid: number): void {
    try {
      // A memory mapping can write after the last close(2).
      if (wasWriting) this.flush(file, uid);
    } finally {
      if (wasWriting) file.writers--;
      file.handles--;
      if (file.handles === 0) this.#closeFile(file);
      if (wasWriting) {
        this.intents.touch(file.inode);
        this.#changed();
      }
    }
  }

  #closeFile(file: WorkingFile): void {
    const { inode, isComplete } = file;
    if (this.#files.get(inode) === file) this.#files.delete(inode);
    const { changed, size } = file.look();
    file.close();
    if (file.isUnlinked) return;
    const item = this.tree.item(inode);
    if (!item) {
      this.#removeStaged(inode);
      return;
    }
    const { intent } = item;
    if (changed && !intent?.content.staged) {
      // No row could be written for these bytes: they go to lost+found, where a user finds them.
      const path = this.staging.lose(inode, item.name);
      this.#options.log.error({ path }, 'what was written could not be recorded; the bytes are in lost+found');
    } else if (intent === undefined || isNothing(intent))
      this.#giveBack(item, isComplete && size === item.size && file.madeFrom === item.versionId);
  }

  truncate(file: WorkingFile, size: number): void {
    if (size > file.size) this.staging.requireSpace(size - file.size);
    file.truncate(size);
    const intent = this.intents.get(file.inode);
    if (intent) this.intents.put({ ...this.#withGapsOf(file, intent), here: { ...intent.here, size } });
  }

  /** What is cut off is not fetched any more, also if the daemon is killed before the next flush. */
  #withGapsOf(file: WorkingFile, intent: Intent): Intent {
    if (!intent.content.gaps) return intent;
    const { gaps } = file;
    this.staging.noteGaps(file.inode, gaps);
    return { ...intent, content: { ...intent.content, gaps } };
  }

  /** Opens a version's content for reading only, for an item without a staging file. */
  blob(version: ContentVersion, reading?: Reading): OpenBlob {
    return this.#options.content.open(version, reading);
  }

  close(): void {
    for (const [inode, file] of this.#files) {
      const item = this.tree.item(inode);
      if (item && file.writers > 0)
        this.#options.log.warn({ inode }, 'a file was open for writing when the daemon ended');
      file.close();
    }
    this.#files.clear();
    this.durability.close();
    this.intents.close();
  }

  async #openFile(known: LocalItem, truncate: boolean): Promise<WorkingFile> {
    const file = await beginWorking(this.tree.current(known), truncate, this.staging, this.#options.content);
    this.#files.set(file.inode, file);
    return file;
  }

  /** Moves an unchanged staging file into the cache, or removes it. */
  #giveBack(item: LocalItem, whole: boolean): void {
    const { inode, versionId } = item;
    if (!this.staging.has(inode)) return;
    const intent = this.intents.get(inode);
    if (intent && isNothing(intent)) this.intents.change([], [inode]);
    const { content } = this.#options;
    const adopt = (path: string): boolean => content.adopt(path, versionOf(item));
    if (whole && versionId !== NO_VERSION && this.staging.handOver(inode, adopt)) return;
    this.staging.remove(inode);
  }

  #requireDelete(intent: Intent): void {
    if (this.#options.noDelete) requireNoDocument(intent, this.names);
  }

  /** @param seen the item as the caller saw it (see `Tree.asSeen`); absent: as it is now */
  #intentOf(item: LocalItem, uid: number, now: number, seen?: LocalItem): Intent {
    return this.intents.get(item.inode) ?? untouched(seen ?? this.tree.current(item), now, who(uid));
  }

  #put(intent: Intent): void {
    this.intents.put(intent);
    this.#changed();
  }

  #changed(): void {
    this.events.emit('changed');
  }

  /** Open handles keep the bytes through their descriptor. If the item comes back, it gets another staging file. */
  #unlinked(inode: Inode): void {
    this.#files.get(inode)?.unlinked();
    this.#files.delete(inode);
    this.#removeStaged(inode);
  }

  /**
   * Moves discarded bytes to lost+found. Programs that have the file open go on with a detached copy. Returns the path
   * in lost+found; undefined: there were no bytes.
   */
  lose({ inode, here, content }: Intent): string | undefined {
    if (!content.staged || !this.staging.has(inode)) return undefined;
    const file = this.#files.get(inode);
    if (file) {
      this.#detach(file);
      this.staging.duplicate(file.inode, inode);
    }
    return this.staging.lose(inode, here.name);
  }

  #detach(file: WorkingFile): void {
    this.#files.delete(file.inode);
    this.#detachedFiles.put(file);
    this.#files.set(file.inode, file);
  }

  /**
   * Removes the staging file of an item that is no longer in the tree. A file that cannot be removed goes to lost+found
   * at the next start.
   */
  #removeStaged(inode: Inode): void {
    try {
      this.staging.remove(inode);
    } catch (error) {
      this.#options.log.warn({ error, inode }, 'a staging file could not be removed');
    }
  }
}
