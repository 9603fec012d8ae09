import { constants } from 'node:fs';
import { Failure, isFailure } from '../base/errors.js';
import type { Inode, NodeId } from '../base/ids.js';
import { OncePer } from '../base/once-per.js';
import type { CallOptions } from '../budget/calls.js';
import type {
  AttributeChanges,
  Awaitable,
  Context,
  CreatedFile,
  Entry,
  FilePosition,
  ForbiddenItem,
  Handle,
  OpenFile,
  WritableFileSystem,
} from '../fuse/filesystem.js';
import { altered, appeared, disappeared, moved } from '../mirror/database/changes.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import { setAttributes } from '../outbox/tree/attributes.js';
import type { PinKeeper } from '../outbox/tree/pin-keeper.js';
import type { LocalItem } from '../outbox/tree/tree.js';
import type { WorkingFile } from '../outbox/working/working-file.js';
import type { FileHandle } from './file-handles.js';
import { outsideHidden } from './hidden/guard.js';
import type { FileSystemOptions } from './options.js';
import { ProjectFileSystem } from './project-filesystem.js';
import { CHECKOUT, checkoutPeriod, PIN, pinned } from './xattrs.js';

/** fallocate(2) modes, <linux/falloc.h>. */
const FALLOC_FL_KEEP_SIZE = 1;
/** Bytes copied per step of copy_file_range(2). */
const COPY_STEP_BYTES = 2 ** 20;

export interface WritingOptions {
  /** Check files out while they are open for writing. */
  readonly checkout: boolean;
  /** Refuse a change of owner or group. Otherwise it is accepted and ignored, as on any share without owners. */
  readonly strictOwner: boolean;
  readonly pinKeeper: PinKeeper;
  /** If set, fsync waits for it: resolves when every acknowledged change of the item is at the server. */
  readonly publish?: (inode: Inode, signal: AbortSignal) => Promise<void>;
}

/** A writable project: every change is recorded in the outbox before it is acknowledged. */
export class WritableProjectFileSystem extends ProjectFileSystem {
  readonly #options: WritingOptions;
  readonly #refusals = new OncePer(this.outbox.clock);
  readonly #explained = new Set<ForbiddenItem | 'owner'>();

  readonly #inner: WritableFileSystem = {
    setattr: (node, changes, handle, context) => this.#setattr(node, changes, handle, context),

    create: (parent, name, _mode, flags, context) =>
      this.#inFolder(parent, context, (folder) => this.#create(folder, name, flags, context)),

    write: (_node, handle, offset, data) => this.#writing(handle).write(offset, data),

    flush: (_node, handle, context) => {
      const { file, writing } = this.handles.get(handle) ?? {};
      if (!file) return;
      this.outbox.flush(file, context.uid);
      if (writing) this.tellRewritten(file.inode);
    },

    fsync: async (_node, handle, _dataOnly, context) => {
      const file = this.handles.get(handle)?.file;
      if (!file) return;
      await this.outbox.sync(file, context.uid);
      this.tellRewritten(file.inode);
      await this.#options.publish?.(file.inode, context.signal);
    },

    fsyncdir: async (node, _dataOnly, context) => {
      await this.outbox.durability.syncIntents();
      const { publish } = this.#options;
      if (!publish) return;
      const folder = this.item(node);
      const changed = [folder.inode, ...this.outbox.intents.childrenOf(folder.inode).map(({ inode }) => inode)];
      for (const inode of changed) await publish(inode, context.signal);
    },

    mkdir: (parent, name, _mode, context) =>
      this.#inFolder(parent, context, (folder) => {
        if (this.tree.child(folder, name)) throw new Failure('item-exists', { path: name });
        this.#requireEntry(folder, context);
        const made = this.outbox.mkdir(folder, name, context.uid);
        this.#changedIn(folder);
        this.tell(appeared(made));
        return this.entry(made);
      }),

    unlink: (parent, name, context) => {
      const seen = this.tree.child(this.item(parent), name);
      return this.#inFolder(parent, context, (folder) => {
        const item = this.#child(folder, name);
        if (!item.isFile) throw new Failure('is-a-folder', { path: name });
        this.#requireChange(item, context);
        this.outbox.unlink(this.tree.asSeen(item, seen), context.uid);
        this.#changedIn(folder);
        this.tell(disappeared(item));
        this.#forgetSpelling(folder, item.name, name);
      });
    },

    rmdir: async (parent, name, context) => {
      const folder = await this.#folder(parent, context);
      const item = this.#child(folder, name);
      if (item.isFile) throw new Failure('not-a-folder', { path: name });
      this.#requireChange(item, context);
      await this.listed(item, context);
      this.outbox.rmdir(item, context.uid);
      this.generations.removed(item.inode);
      this.#changedIn(folder);
      this.tell(disappeared(item));
      this.#forgetSpelling(folder, item.name, name);
    },

    rename: async (parent, name, newParent, newName, replace, context) => {
      const seen = this.tree.child(this.item(newParent), newName);
      const from = await this.#folder(parent, context);
      const item = this.#child(from, name);
      const folder = await this.#folder(newParent, context);
      const found = this.tree.child(folder, newName);
      if (found?.inode === item.inode && newName === item.name) return;
      const replaced = found?.inode === item.inode ? undefined : found;
      if (replaced && (!replace || this.isConcealed(replaced))) throw new Failure('item-exists', { path: newName });
      if (replaced && !replaced.isFile && item.isFile) throw new Failure('is-a-folder', { path: newName });
      if (replaced?.isFile && !item.isFile) throw new Failure('not-a-folder', { path: newName });
      this.#requireChange(item, context);
      if (replaced) this.#requireChange(replaced, context);
      else this.#requireEntry(folder, context);
      if (replaced && !replaced.isFile) await this.listed(replaced, context);
      await this.outbox.rename(item, folder, newName, replace ? { seen } : undefined, context.uid);
      if (replaced && !replaced.isFile) this.generations.removed(replaced.inode);
      for (const one of from.inode === folder.inode ? [folder] : [from, folder]) this.#changedIn(one);
      this.tell(...(replaced ? [disappeared(replaced)] : []), moved(item, this.tree.item(item.inode)));
      this.#forgetSpelling(from, item.name, name);
      if (replaced) this.#forgetSpelling(folder, replaced.name, newName);
    },

    fallocate: (_node, handle, offset, length, mode) => {
      // Only free space is checked; no blocks are allocated, so modes that need allocation are not supported.
      if ((mode & ~FALLOC_FL_KEEP_SIZE) !== 0) throw new Failure('not-supported', { what: 'this mode of fallocate' });
      const file = this.#writing(handle);
      this.outbox.staging.requireSpace(length);
      const end = offset + length;
      if ((mode & FALLOC_FL_KEEP_SIZE) === 0 && end > file.size) this.outbox.truncate(file, end);
    },

    copyFileRange: (from, to, length, context) => this.#copy(from, to, length, context),

    setxattr: async (node, name, value, _condition, context) => {
      if (name === PIN) return this.#pin(this.item(node), pinned(value), context);
      if (name !== CHECKOUT) throw new Failure('not-supported', { what: `setting ${name}` });
      await this.#checkOut(this.item(node), checkoutPeriod(value), context);
    },

    removexattr: async (node, name, context) => {
      if (name === PIN) return this.#pin(this.item(node), false, context);
      if (name !== CHECKOUT) throw new Failure('not-supported', { what: `removing ${name}` });
      await this.#checkOut(this.item(node), 0, context);
    },

    forbidden: (what, context) => {
      if (this.#explained.has(what)) return;
      this.#explained.add(what);
      this.log.info({ uid: context.uid }, `a ${what} was refused: Procore's documents know none`);
    },
  };

  readonly writable = outsideHidden(this.#inner, this.hidden, this.nodes.rootNode);

  constructor(options: FileSystemOptions, writing: WritingOptions) {
    super(options);
    this.#options = writing;
  }

  /** Refuses at open what the server would refuse later, before anything is written. */
  protected override async openWorking(
    node: NodeId,
    item: LocalItem,
    writing: boolean,
    truncate: boolean,
    context: Context,
    grows = writing,
  ): Promise<OpenFile> {
    if (writing) this.#requireChange(item, context);
    const open = (): Promise<OpenFile> => super.openWorking(node, item, writing, truncate, context, grows);
    const checksOut = writing && this.#options.checkout && !this.outbox.working(item.inode)?.writers;
    return checksOut ? this.checkouts.opened(item, callOf(context), open) : open();
  }

  /** @throws Failure `not-permitted` (EACCES) */
  #requireEntry(folder: LocalItem, context: Context): void {
    this.#logged(context, () => this.outbox.permissions.require(folder));
  }

  /** @throws Failure `not-permitted` (EACCES), `checked-out` (EBUSY) */
  #requireChange(item: LocalItem, context: Context): void {
    this.#logged(context, () => {
      this.outbox.permissions.require(item);
      const holder = item.isFile ? this.checkouts.otherHolder(item) : undefined;
      if (holder !== undefined) throw new Failure('checked-out', { what: item.name, holder });
    });
  }

  /** Logs the reason of a refusal, which the errno cannot carry; the same one once in a while. */
  #logged(context: Context, check: () => void): void {
    try {
      check();
    } catch (error) {
      if (isFailure(error)) this.#refusals.run(error.line, () => this.log.warn({ uid: context.uid }, error.line));
      throw error;
    }
  }

  async #pin(item: LocalItem, isPinned: boolean, context: Context): Promise<void> {
    const { pinKeeper } = this.#options;
    try {
      await (isPinned ? pinKeeper.pin(item, context.signal) : pinKeeper.unpin(item, context.signal));
    } catch (error) {
      if (isFailure(error)) this.log[error.level]({ uid: context.uid }, error.line);
      throw error;
    }
  }

  async #checkOut(item: LocalItem, seconds: number, context: Context): Promise<void> {
    if (!item.isFile) throw new Failure('is-a-folder', { path: item.name });
    if (item.remoteId === NO_REMOTE)
      throw new Failure('not-supported', { what: 'a check-out before the first upload' });
    if (seconds === 0) await this.checkouts.giveBack(item.inode, callOf(context));
    else {
      this.#requireChange(item, context);
      await this.checkouts.take(item, seconds, 'asked', callOf(context));
    }
  }

  #setattr(node: NodeId, changes: AttributeChanges, handle: Handle | undefined, context: Context): Awaitable<Entry> {
    const item = this.item(node);
    if (handle === undefined) this.requireCurrent(node, item);
    if (changes.uid !== undefined || changes.gid !== undefined) this.#setOwner(item, changes, context);
    if (changes.size === undefined) return this.#setTimes(node, changes);
    const file = handle === undefined ? undefined : this.handles.get(handle)?.file;
    if (!file) return this.#truncatePath(node, item, changes.size, context).then(() => this.#setTimes(node, changes));
    this.outbox.truncate(file, changes.size);
    this.tellRewritten(file.inode);
    return this.#setTimes(node, changes);
  }

  #changedIn(folder: LocalItem): void {
    this.afterwards(() => this.tree.changedIn(folder.inode, this.outbox.clock.now()));
    this.tell(altered(folder));
  }

  #setTimes(node: NodeId, changes: AttributeChanges): Entry {
    let item = this.item(node);
    if (changes.mtime !== undefined || changes.mode !== undefined) {
      const file = this.working(item.inode, node);
      if (file && changes.mtime !== undefined) file.setMtime(changes.mtime);
      setAttributes(this.outbox, item, changes.mtime, changes.mode);
      item = this.item(node);
      this.tell(altered(item));
    }
    return this.entry(item);
  }

  /**
   * The owner of everything is set by the mount; Procore has no owners. The kernel permits chown(2) only to root, and
   * to the owner for their own groups. So that programs which copy trees as root can go on, the change is accepted and
   * ignored, and logged once.
   */
  #setOwner(item: LocalItem, changes: AttributeChanges, context: Context): void {
    const { uid, gid } = this.entry(item).attributes;
    if ((changes.uid ?? uid) === uid && (changes.gid ?? gid) === gid) return;
    if (this.#options.strictOwner) throw new Failure('owner-fixed', { path: item.name });
    if (this.#explained.has('owner')) return;
    this.#explained.add('owner');
    this.log.info({ uid: context.uid }, 'an owner was set: it is accepted and not kept (strict_owner refuses it)');
  }

  /** truncate(2) by path, done as open, ftruncate, close. Truncating to 0 needs no free space. */
  async #truncatePath(node: NodeId, item: LocalItem, size: number, context: Context): Promise<void> {
    const opened = await this.openWorking(node, item, true, size === 0, context, size > 0);
    try {
      const { file } = this.#open(opened.handle);
      if (file && size > 0) this.outbox.truncate(file, size);
      if (file) this.outbox.flush(file, context.uid, { isWhole: size === 0 && file.writers === 1 });
    } finally {
      this.release(node, opened.handle);
    }
  }

  #create(folder: LocalItem, name: string, flags: number, context: Context): CreatedFile {
    const known = this.tree.child(folder, name);
    if (known) {
      // The item appeared between lookup and create. Without O_EXCL, ESTALE makes the kernel look the name up again.
      throw (flags & constants.O_EXCL) === 0 && !this.isConcealed(known)
        ? new Failure('version-gone', { path: name })
        : new Failure('item-exists', { path: name });
    }
    this.#requireEntry(folder, context);
    const { item, file } = this.outbox.create(folder, name, context.uid);
    this.#changedIn(folder);
    this.tell(appeared(item));
    file.handles++;
    file.writers++;
    const node = this.nodes.of(item);
    const handle = this.handles.add({
      node,
      inode: item.inode,
      item,
      writing: true,
      uid: context.uid,
      pid: context.pid,
      blob: undefined,
      file,
    });
    return { entry: this.entry(item), file: { handle, backingFd: file.fd } };
  }

  async #copy(from: FilePosition, to: FilePosition, length: number, context: Context): Promise<number> {
    const target = this.#writing(to.handle);
    let done = 0;
    while (done < length) {
      const step = Math.min(COPY_STEP_BYTES, length - done);
      const data = await this.read(from.node, from.handle, from.offset + done, step, context);
      if (data.length === 0) break;
      await target.write(to.offset + done, data);
      done += data.length;
    }
    return done;
  }

  #folder(node: NodeId, context: Context): Awaitable<LocalItem> {
    return this.#inFolder(node, context, (folder) => folder);
  }

  /** Runs `work` once all children of the folder are known: at once, or after listing it. */
  #inFolder<T>(node: NodeId, context: Context, work: (folder: LocalItem) => T): Awaitable<T> {
    const folder = this.item(node);
    this.invalidation?.asked(folder.inode);
    this.watch(folder);
    const listing = this.listed(folder, context);
    return listing ? listing.then(() => work(this.item(node))) : work(folder);
  }

  /**
   * Invalidates both spellings when the name was used in another one: the kernel only knows what happened to the
   * spelling that it sent. Not awaited, because the kernel holds the folder's lock during the request.
   */
  #forgetSpelling(folder: LocalItem, name: string, used: string): void {
    if (name === used || !this.kernel?.canInvalidate) return;
    const { kernel } = this;
    const node = this.nodes.of(folder);
    const told = [name, used].map((one) => kernel.invalidateEntry(node, one));
    void Promise.allSettled([...told, kernel.invalidateNode(node, 0)]);
  }

  #child(folder: LocalItem, name: string): LocalItem {
    const item = this.tree.child(folder, name);
    if (!item || this.isConcealed(item)) throw new Failure('no-such-item', { path: name });
    return item;
  }

  #open(handle: Handle): FileHandle {
    const open = this.handles.get(handle);
    if (!open) throw new Failure('internal', { why: `handle ${handle} is not open` });
    return open;
  }

  #writing(handle: Handle): WorkingFile {
    const { file, writing } = this.#open(handle);
    if (!file || !writing) throw new Failure('internal', { why: `handle ${handle} is not open for writing` });
    return file;
  }
}

const callOf = (context: Context): CallOptions => ({ class: 'interactive', signal: context.signal });
