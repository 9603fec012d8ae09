import { Failure } from '../base/errors.js';
import type { NodeId } from '../base/ids.js';
import type {
  AttributeChanges,
  Context,
  CreatedFile,
  Entry,
  FilePosition,
  ForbiddenItem,
  Handle,
  WritableFileSystem,
} from '../fuse/filesystem.js';
import type { LocalItem } from '../outbox/tree.js';
import type { WorkingFile } from '../outbox/working-file.js';
import type { FileHandle } from './file-handles.js';
import { ProjectFileSystem } from './project-filesystem.js';

/** fallocate(2) modes, <linux/falloc.h>. */
const FALLOC_FL_KEEP_SIZE = 1;
/** Bytes copied at once inside one file system. */
const COPY_STEP = 2 ** 20;

/** A project that can be written to: everything goes into the outbox before it is acknowledged. */
export class WritableProjectFileSystem extends ProjectFileSystem {
  readonly #explained = new Set<ForbiddenItem>();

  readonly writable: WritableFileSystem = {
    setattr: (node, changes, handle, context) => this.#setattr(node, changes, handle, context),

    create: (parent, name, _mode, _flags, context) => this.#create(parent, name, context),

    write: (_node, handle, offset, data) => this.#writing(handle).write(offset, data),

    flush: (_node, handle, context) => {
      const open = this.handles.get(handle);
      const item = open && this.tree.item(open.inode);
      if (open?.file && item) this.outbox.flush(item, open.file, context.uid);
    },

    fsync: async (_node, handle, _dataOnly, context) => {
      const open = this.handles.get(handle);
      const item = open && this.tree.item(open.inode);
      if (open?.file && item) await this.outbox.sync(item, open.file, context.uid);
    },

    fsyncdir: () => this.outbox.syncIntents(),

    mkdir: async (parent, name, _mode, context) => {
      const folder = await this.#folder(parent, context);
      if (this.tree.child(folder, name)) throw new Failure('item-exists', { path: name });
      return this.entry(this.outbox.mkdir(folder, name, context.uid));
    },

    unlink: async (parent, name, context) => {
      const item = await this.#child(parent, name, context);
      if (!item.isFile) throw new Failure('is-a-folder', { path: name });
      this.outbox.unlink(item, context.uid);
    },

    rmdir: async (parent, name, context) => {
      const item = await this.#child(parent, name, context);
      if (item.isFile) throw new Failure('not-a-folder', { path: name });
      await this.listed(item, context);
      this.outbox.rmdir(item, context.uid);
    },

    rename: async (parent, name, newParent, newName, replace, context) => {
      const item = await this.#child(parent, name, context);
      const folder = await this.#folder(newParent, context);
      const replaced = this.tree.child(folder, newName);
      if (replaced?.inode === item.inode) return;
      if (replaced && !replace) throw new Failure('item-exists', { path: newName });
      if (replaced && !replaced.isFile && item.isFile) throw new Failure('is-a-folder', { path: newName });
      if (replaced?.isFile && !item.isFile) throw new Failure('not-a-folder', { path: newName });
      if (replaced && !replaced.isFile) await this.listed(replaced, context);
      await this.outbox.rename(item, folder, newName, replaced, context.uid);
    },

    fallocate: (_node, handle, offset, length, mode) => {
      // A reserve is kept for what was written; blocks themselves are not promised, so other modes are not offered.
      if ((mode & ~FALLOC_FL_KEEP_SIZE) !== 0) throw new Failure('not-supported', { what: 'this mode of fallocate' });
      const open = this.#open(handle);
      const file = this.#writing(handle);
      this.outbox.staging.requireSpace(length);
      const end = offset + length;
      const item = this.tree.item(open.inode);
      if ((mode & FALLOC_FL_KEEP_SIZE) === 0 && end > file.size && item) this.outbox.truncate(item, file, end);
    },

    copyFileRange: (from, to, length, context) => this.#copy(from, to, length, context),

    setxattr: (_node, name) => {
      throw new Failure('not-supported', { what: `setting ${name}` });
    },

    removexattr: (_node, name) => {
      throw new Failure('not-supported', { what: `removing ${name}` });
    },

    forbidden: (what, context) => {
      if (this.#explained.has(what)) return;
      this.#explained.add(what);
      this.log.info({ uid: context.uid }, `a ${what} was refused: Procore's documents know none`);
    },
  };

  async #setattr(
    node: NodeId,
    changes: AttributeChanges,
    handle: Handle | undefined,
    context: Context,
  ): Promise<Entry> {
    let item = this.item(node);
    if (changes.uid !== undefined || changes.gid !== undefined) this.#requireOwner(item, changes);
    if (changes.size !== undefined) {
      const open = handle === undefined ? undefined : this.handles.get(handle);
      if (open?.file) this.outbox.truncate(item, open.file, changes.size);
      else await this.#truncatePath(node, item, changes.size, context);
      item = this.item(node);
    }
    if (changes.mtime !== undefined || changes.mode !== undefined) {
      const file = this.working(item, node);
      if (file && changes.mtime !== undefined) file.setMtime(changes.mtime);
      this.outbox.setAttributes(item, changes.mtime, changes.mode);
      item = this.item(node);
    }
    return this.entry(item);
  }

  /** Everything belongs to who the mount says; setting that very owner is no change. */
  #requireOwner(item: LocalItem, changes: AttributeChanges): void {
    const { uid, gid } = this.entry(item).attributes;
    if ((changes.uid ?? uid) !== uid || (changes.gid ?? gid) !== gid)
      throw new Failure('owner-fixed', { path: item.name });
  }

  /** truncate(2) by path: as open, ftruncate, close. */
  async #truncatePath(node: NodeId, item: LocalItem, size: number, context: Context): Promise<void> {
    const opened = await this.openWorking(node, item, true, size === 0, context.uid);
    try {
      const { file } = this.#open(opened.handle);
      const current = this.tree.item(item.inode) ?? item;
      if (file && size > 0) this.outbox.truncate(current, file, size);
      if (file) this.outbox.flush(current, file, context.uid);
    } finally {
      this.release(node, opened.handle);
    }
  }

  async #create(parent: NodeId, name: string, context: Context): Promise<CreatedFile> {
    const folder = await this.#folder(parent, context);
    if (this.tree.child(folder, name)) throw new Failure('item-exists', { path: name });
    const { item, file } = this.outbox.create(folder, name, context.uid);
    file.handles++;
    file.writers++;
    const node = this.nodes.of(item);
    const handle = this.handles.add({
      node,
      inode: item.inode,
      item,
      writing: true,
      uid: context.uid,
      blob: undefined,
      file,
    });
    return { entry: this.entry(item), file: { handle, backingFd: file.fd } };
  }

  async #copy(from: FilePosition, to: FilePosition, length: number, context: Context): Promise<number> {
    const target = this.#writing(to.handle);
    let done = 0;
    while (done < length) {
      const step = Math.min(COPY_STEP, length - done);
      const data = await this.read(from.node, from.handle, from.offset + done, step, context);
      if (data.length === 0) break;
      await target.write(to.offset + done, data);
      done += data.length;
    }
    return done;
  }

  async #folder(node: NodeId, context: Context): Promise<LocalItem> {
    const folder = this.item(node);
    await this.listed(folder, context);
    this.invalidation?.asked(folder.inode);
    return this.item(node);
  }

  async #child(parent: NodeId, name: string, context: Context): Promise<LocalItem> {
    const folder = await this.#folder(parent, context);
    const item = this.tree.child(folder, name);
    if (!item) throw new Failure('no-such-item', { path: name });
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
