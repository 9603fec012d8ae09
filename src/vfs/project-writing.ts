import { constants } from 'node:fs';
import { Failure, isFailure } from '../base/errors.js';
import type { NodeId } from '../base/ids.js';
import { OncePer } from '../base/once-per.js';
import type { CallOptions } from '../budget/calls.js';
import type {
  AttributeChanges,
  Awaitable,
  Context,
  CreatedFile,
  Entry,
  ForbiddenItem,
  Handle,
  OpenFile,
} from '../fuse/filesystem.js';
import type { FilePosition, WritingOperations } from '../fuse/operations.js';
import { altered, appeared, disappeared, moved } from '../mirror/database/changes.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import type { Outbox } from '../outbox/outbox.js';
import { setAttributes } from '../outbox/tree/attributes.js';
import type { LocalItem, Tree } from '../outbox/tree/tree.js';
import type { WorkingFile } from '../outbox/working/working-file.js';
import type { Announcements } from './announcements.js';
import type { OpenFiles, WorkingMode } from './open-files.js';
import type { WritingRules } from './options.js';
import type { ShownProject } from './shown-project.js';
import { CHECKOUT, checkoutPeriod, PIN, pinned } from './xattrs.js';

/** fallocate(2) modes, <linux/falloc.h>. */
const FALLOC_FL_KEEP_SIZE = 1;
/** Bytes copied per step of copy_file_range(2). */
const COPY_STEP_BYTES = 2 ** 20;

/** What changes a project through a mount: every change is recorded in the outbox before it is acknowledged. */
export class ProjectWriting implements WritingOperations {
  readonly #shown: ShownProject;
  readonly #announcements: Announcements;
  readonly #files: OpenFiles;
  readonly #rules: WritingRules;
  readonly #outbox: Outbox;
  readonly #tree: Tree;
  readonly #refusals: OncePer;
  readonly #explained = new Set<ForbiddenItem | 'owner'>();

  constructor(shown: ShownProject, announcements: Announcements, files: OpenFiles, rules: WritingRules) {
    this.#shown = shown;
    this.#announcements = announcements;
    this.#files = files;
    this.#rules = rules;
    this.#outbox = shown.project.outbox;
    this.#tree = shown.tree;
    this.#refusals = new OncePer(this.#outbox.clock);
  }

  setattr(node: NodeId, changes: AttributeChanges, handle: Handle | undefined, context: Context): Awaitable<Entry> {
    const item = this.#shown.item(node);
    if (handle === undefined) this.#shown.requireCurrent(node, item);
    if (changes.uid !== undefined || changes.gid !== undefined) this.#setOwner(item, changes, context);
    if (changes.size === undefined) return this.#setTimes(node, changes);
    const file = handle === undefined ? undefined : this.#files.working(handle);
    if (!file) return this.#truncatePath(node, item, changes.size, context).then(() => this.#setTimes(node, changes));
    this.#outbox.truncate(file, changes.size);
    this.#announcements.tellRewritten(file.inode);
    return this.#setTimes(node, changes);
  }

  create(parent: NodeId, name: string, _mode: number, flags: number, context: Context): Awaitable<CreatedFile> {
    return this.#inFolder(parent, context, (folder) => this.#create(folder, name, flags, context));
  }

  write(_node: NodeId, handle: Handle, offset: number, data: Uint8Array): Promise<number> {
    return this.#openForWriting(handle).write(offset, data);
  }

  flush(_node: NodeId, handle: Handle, context: Context): void {
    const { file, writing } = this.#shown.handles.get(handle) ?? {};
    if (!file) return;
    this.#outbox.flush(file, context.uid);
    if (writing) this.#announcements.tellRewritten(file.inode);
  }

  async fsync(_node: NodeId, handle: Handle, _dataOnly: boolean, context: Context): Promise<void> {
    const file = this.#files.working(handle);
    if (!file) return;
    await this.#outbox.sync(file, context.uid);
    this.#announcements.tellRewritten(file.inode);
    await this.#rules.publish?.(file.inode, context.signal);
  }

  async fsyncdir(node: NodeId, _dataOnly: boolean, context: Context): Promise<void> {
    await this.#outbox.durability.syncIntents();
    const { publish } = this.#rules;
    if (!publish) return;
    const folder = this.#shown.item(node);
    const changed = [folder.inode, ...this.#outbox.intents.childrenOf(folder.inode).map(({ inode }) => inode)];
    for (const inode of changed) await publish(inode, context.signal);
  }

  mkdir(parent: NodeId, name: string, _mode: number, context: Context): Awaitable<Entry> {
    return this.#inFolder(parent, context, (folder) => {
      if (this.#tree.child(folder, name)) throw new Failure('item-exists', { path: name });
      this.#requireEntry(folder, context);
      const made = this.#outbox.mkdir(folder, name, context.uid);
      this.#changedIn(folder);
      this.#announcements.tell(appeared(made));
      return this.#shown.entry(made);
    });
  }

  unlink(parent: NodeId, name: string, context: Context): Awaitable<void> {
    const seen = this.#tree.child(this.#shown.item(parent), name);
    return this.#inFolder(parent, context, (folder) => {
      const item = this.#child(folder, name);
      if (!item.isFile) throw new Failure('is-a-folder', { path: name });
      this.#requireChange(item, context);
      this.#outbox.unlink(this.#tree.asSeen(item, seen), context.uid);
      this.#changedIn(folder);
      this.#announcements.tell(disappeared(item));
      this.#announcements.forgetSpelling(folder, item.name, name);
    });
  }

  async rmdir(parent: NodeId, name: string, context: Context): Promise<void> {
    const folder = await this.#folder(parent, context);
    const item = this.#child(folder, name);
    if (item.isFile) throw new Failure('not-a-folder', { path: name });
    this.#requireChange(item, context);
    await this.#shown.listed(item, context);
    this.#outbox.rmdir(item, context.uid);
    this.#shown.generations.removed(item.inode);
    this.#changedIn(folder);
    this.#announcements.tell(disappeared(item));
    this.#announcements.forgetSpelling(folder, item.name, name);
  }

  async rename(
    parent: NodeId,
    name: string,
    newParent: NodeId,
    newName: string,
    replace: boolean,
    context: Context,
  ): Promise<void> {
    const seen = this.#tree.child(this.#shown.item(newParent), newName);
    const from = await this.#folder(parent, context);
    const item = this.#child(from, name);
    const folder = await this.#folder(newParent, context);
    const found = this.#tree.child(folder, newName);
    if (found?.inode === item.inode && newName === item.name) return;
    const replaced = found?.inode === item.inode ? undefined : found;
    if (replaced && (!replace || this.#shown.isConcealed(replaced)))
      throw new Failure('item-exists', { path: newName });
    if (replaced && !replaced.isFile && item.isFile) throw new Failure('is-a-folder', { path: newName });
    if (replaced?.isFile && !item.isFile) throw new Failure('not-a-folder', { path: newName });
    this.#requireChange(item, context);
    if (replaced) this.#requireChange(replaced, context);
    else this.#requireEntry(folder, context);
    if (replaced && !replaced.isFile) await this.#shown.listed(replaced, context);
    await this.#outbox.rename(item, folder, newName, replace ? { seen } : undefined, context.uid);
    if (replaced && !replaced.isFile) this.#shown.generations.removed(replaced.inode);
    for (const one of from.inode === folder.inode ? [folder] : [from, folder]) this.#changedIn(one);
    this.#announcements.tell(...(replaced ? [disappeared(replaced)] : []), moved(item, this.#tree.item(item.inode)));
    this.#announcements.forgetSpelling(from, item.name, name);
    if (replaced) this.#announcements.forgetSpelling(folder, replaced.name, newName);
  }

  fallocate(_node: NodeId, handle: Handle, offset: number, length: number, mode: number): void {
    // Only free space is checked; no blocks are allocated, so modes that need allocation are not supported.
    if ((mode & ~FALLOC_FL_KEEP_SIZE) !== 0) throw new Failure('not-supported', { what: 'this mode of fallocate' });
    const file = this.#openForWriting(handle);
    this.#outbox.staging.requireSpace(length);
    const end = offset + length;
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0 && end > file.size) this.#outbox.truncate(file, end);
  }

  async copyFileRange(from: FilePosition, to: FilePosition, length: number, context: Context): Promise<number> {
    const target = this.#openForWriting(to.handle);
    let done = 0;
    while (done < length) {
      const step = Math.min(COPY_STEP_BYTES, length - done);
      const { bytes, release } = await this.#files.read(from.node, from.handle, from.offset + done, step, context);
      if (bytes.length === 0) break;
      await target.write(to.offset + done, bytes);
      done += bytes.length;
      release?.(bytes);
    }
    return done;
  }

  async setxattr(node: NodeId, name: string, value: Uint8Array, _condition: unknown, context: Context): Promise<void> {
    if (name === PIN) return this.#pin(this.#shown.item(node), pinned(value), context);
    if (name !== CHECKOUT) throw new Failure('not-supported', { what: `setting ${name}` });
    await this.#checkOut(this.#shown.item(node), checkoutPeriod(value), context);
  }

  async removexattr(node: NodeId, name: string, context: Context): Promise<void> {
    if (name === PIN) return this.#pin(this.#shown.item(node), false, context);
    if (name !== CHECKOUT) throw new Failure('not-supported', { what: `removing ${name}` });
    await this.#checkOut(this.#shown.item(node), 0, context);
  }

  forbidden(what: ForbiddenItem, context: Context): void {
    if (this.#explained.has(what)) return;
    this.#explained.add(what);
    this.#shown.log.info({ uid: context.uid }, `a ${what} was refused: Procore's documents know none`);
  }

  /** Opens a file for writing. Refuses what the server would refuse later, before anything is written. */
  async open(node: NodeId, item: LocalItem, mode: Omit<WorkingMode, 'writing'>, context: Context): Promise<OpenFile> {
    this.#requireChange(item, context);
    const open = (): Promise<OpenFile> => this.#files.openWorking(node, item, { ...mode, writing: true }, context);
    const checksOut = this.#rules.checkout && !this.#outbox.working(item.inode)?.writers;
    return checksOut ? this.#shown.project.checkouts.opened(item, callOf(context), open) : open();
  }

  /** @throws Failure `not-permitted` (EACCES) */
  #requireEntry(folder: LocalItem, context: Context): void {
    this.#logged(context, () => this.#outbox.permissions.require(folder));
  }

  /** @throws Failure `not-permitted` (EACCES), `checked-out` (EBUSY) */
  #requireChange(item: LocalItem, context: Context): void {
    this.#logged(context, () => {
      this.#outbox.permissions.require(item);
      const holder = item.isFile ? this.#shown.project.checkouts.otherHolder(item) : undefined;
      if (holder !== undefined) throw new Failure('checked-out', { what: item.name, holder });
    });
  }

  /** Logs the reason of a refusal, which the errno cannot carry; the same one once in a while. */
  #logged(context: Context, check: () => void): void {
    try {
      check();
    } catch (error) {
      if (isFailure(error))
        this.#refusals.run(error.line, () => this.#shown.log.warn({ uid: context.uid }, error.line));
      throw error;
    }
  }

  async #pin(item: LocalItem, isPinned: boolean, context: Context): Promise<void> {
    const { pinKeeper } = this.#rules;
    try {
      await (isPinned ? pinKeeper.pin(item, context.signal) : pinKeeper.unpin(item, context.signal));
    } catch (error) {
      if (isFailure(error)) this.#shown.log[error.level]({ uid: context.uid }, error.line);
      throw error;
    }
  }

  async #checkOut(item: LocalItem, seconds: number, context: Context): Promise<void> {
    if (!item.isFile) throw new Failure('is-a-folder', { path: item.name });
    if (item.remoteId === NO_REMOTE)
      throw new Failure('not-supported', { what: 'a check-out before the first upload' });
    if (seconds === 0) await this.#shown.project.checkouts.giveBack(item.inode, callOf(context));
    else {
      this.#requireChange(item, context);
      await this.#shown.project.checkouts.take(item, seconds, 'asked', callOf(context));
    }
  }

  #changedIn(folder: LocalItem): void {
    this.#announcements.afterwards(() => this.#tree.changedIn(folder.inode, this.#outbox.clock.now()));
    this.#announcements.tell(altered(folder));
  }

  #setTimes(node: NodeId, changes: AttributeChanges): Entry {
    let item = this.#shown.item(node);
    if (changes.mtime !== undefined || changes.mode !== undefined) {
      const file = this.#shown.working(item.inode, node);
      if (file && changes.mtime !== undefined) file.setMtime(changes.mtime);
      setAttributes(this.#outbox, item, changes.mtime, changes.mode);
      item = this.#shown.item(node);
      this.#announcements.tell(altered(item));
    }
    return this.#shown.entry(item);
  }

  /**
   * The owner of everything is set by the mount; Procore has no owners. The kernel permits chown(2) only to root, and
   * to the owner for their own groups. So that programs which copy trees as root can go on, the change is accepted and
   * ignored, and logged once.
   */
  #setOwner(item: LocalItem, changes: AttributeChanges, context: Context): void {
    const { uid, gid } = this.#shown.entry(item).attributes;
    if ((changes.uid ?? uid) === uid && (changes.gid ?? gid) === gid) return;
    if (this.#rules.strictOwner) throw new Failure('owner-fixed', { path: item.name });
    if (this.#explained.has('owner')) return;
    this.#explained.add('owner');
    this.#shown.log.info(
      { uid: context.uid },
      'an owner was set: it is accepted and not kept (strict_owner refuses it)',
    );
  }

  /** truncate(2) by path, done as open, ftruncate, close. Truncating to 0 needs no free space. */
  async #truncatePath(node: NodeId, item: LocalItem, size: number, context: Context): Promise<void> {
    const opened = await this.open(node, item, { truncate: size === 0, grows: size > 0 }, context);
    try {
      const { file } = this.#files.get(opened.handle);
      if (file && size > 0) this.#outbox.truncate(file, size);
      if (file) this.#outbox.flush(file, context.uid, { isWhole: size === 0 && file.writers === 1 });
    } finally {
      this.#files.release(node, opened.handle);
    }
  }

  #create(folder: LocalItem, name: string, flags: number, context: Context): CreatedFile {
    const known = this.#tree.child(folder, name);
    if (known) {
      // The item appeared between lookup and create. Without O_EXCL, ESTALE makes the kernel look the name up again.
      throw (flags & constants.O_EXCL) === 0 && !this.#shown.isConcealed(known)
        ? new Failure('version-gone', { path: name })
        : new Failure('item-exists', { path: name });
    }
    this.#requireEntry(folder, context);
    const { item, file } = this.#outbox.create(folder, name, context.uid);
    this.#changedIn(folder);
    this.#announcements.tell(appeared(item));
    const opened = this.#files.created(item, file, context);
    return { entry: this.#shown.entry(item), file: opened };
  }

  #folder(node: NodeId, context: Context): Awaitable<LocalItem> {
    return this.#inFolder(node, context, (folder) => folder);
  }

  /** Runs `work` once all children of the folder are known: at once, or after listing it. */
  #inFolder<T>(node: NodeId, context: Context, work: (folder: LocalItem) => T): Awaitable<T> {
    const folder = this.#shown.item(node);
    this.#announcements.asked(folder.inode);
    this.#shown.watch(folder);
    const listing = this.#shown.listed(folder, context);
    return listing ? listing.then(() => work(this.#shown.item(node))) : work(folder);
  }

  #child(folder: LocalItem, name: string): LocalItem {
    const item = this.#tree.child(folder, name);
    if (!item || this.#shown.isConcealed(item)) throw new Failure('no-such-item', { path: name });
    return item;
  }

  #openForWriting(handle: Handle): WorkingFile {
    const { file, writing } = this.#files.get(handle);
    if (!file || !writing) throw new Failure('internal', { why: `handle ${handle} is not open for writing` });
    return file;
  }
}

const callOf = (context: Context): CallOptions => ({ class: 'interactive', signal: context.signal });
