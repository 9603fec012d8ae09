import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  openSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Failure } from '#src/base/errors.js';
import type { NodeId } from '#src/base/ids.js';
import type { Context, ForbiddenItem, OpenFile } from '#src/fuse/filesystem.js';
import type { WritingOperations } from '#src/fuse/operations.js';
import { MemoryFileSystem, type MemoryItem, no, type Version } from './fuse-memory.js';

/** A file system in memory that can be written to; with a staging folder, files lie there and are passed through. */
export class WritableMemoryFileSystem extends MemoryFileSystem {
  readonly forbidden: ForbiddenItem[] = [];
  /** Owners that were set; none is kept. */
  readonly owners: { readonly uid: number | undefined; readonly gid: number | undefined }[] = [];
  /** Bytes that all files together may have. */
  room = 2 ** 40;
  #files = 0;

  constructor(private readonly staging?: string) {
    super();
  }

  close(): void {
    for (const { version } of this.#all(this.root)) if (version.staging !== undefined) closeSync(version.staging);
  }

  *#all(item: MemoryItem): Generator<MemoryItem> {
    yield item;
    for (const child of item.children?.values() ?? []) yield* this.#all(child);
  }

  #folder(node: NodeId): Map<string, MemoryItem> {
    const { children } = this.get(node);
    if (!children) throw no('not-a-folder');
    return children;
  }

  #child(parent: NodeId, name: string): MemoryItem {
    const item = this.#folder(parent).get(name);
    if (!item) throw no('no-such-item');
    return item;
  }

  /** Makes room for bytes up to `size`. */
  #resize(version: Version, size: number): void {
    if (size > this.room) throw no('disk-full');
    if (version.staging !== undefined) ftruncateSync(version.staging, size);
    else if (size <= version.content.length) version.content = version.content.slice(0, size);
    else version.content = Buffer.concat([version.content, Buffer.alloc(size - version.content.length)]);
  }

  #truncate(item: MemoryItem, version: Version, size: number): void {
    this.#resize(version, size);
    item.mtime = Date.now() / 1000;
    this.changed();
  }

  #write(item: MemoryItem, version: Version, offset: number, data: Uint8Array): number {
    const end = offset + data.length;
    if (end > this.room) throw no('disk-full');
    if (version.staging !== undefined) return writeSync(version.staging, data, 0, data.length, offset);
    if (end > version.content.length) this.#resize(version, end);
    version.content = Buffer.from(version.content);
    version.content.set(data, offset);
    item.mtime = Date.now() / 1000;
    this.changed();
    return data.length;
  }

  override open(node: NodeId, flags: number, context: Context): OpenFile | Promise<OpenFile> {
    const { item, version } = this.at(node);
    if (flags & constants.O_TRUNC) this.#truncate(item, version, 0);
    return super.open(node, flags, context);
  }

  readonly writable: WritingOperations = {
    setattr: (node, changes, _handle, context) =>
      this.run('setattr', node, context, () => {
        const { item, version } = this.at(node);
        if (changes.size !== undefined) this.#truncate(item, version, changes.size);
        if (changes.mode !== undefined) item.mode = (item.mode & ~0o7777) | changes.mode;
        if (changes.uid !== undefined || changes.gid !== undefined)
          this.owners.push({ uid: changes.uid, gid: changes.gid });
        if (changes.mtime !== undefined) {
          item.mtime = changes.mtime;
          if (version.staging !== undefined) futimesSync(version.staging, changes.mtime, changes.mtime);
        }
        this.changed();
        return this.entry(item, version);
      }),

    create: (parent, name, mode, flags, context) =>
      this.run('create', parent, context, () => {
        const known = this.#folder(parent).get(name);
        if (known && flags & constants.O_EXCL) throw no('item-exists');
        const item = known ?? this.add(this.get(parent), name, this.item(false));
        if (known && flags & constants.O_TRUNC) this.#truncate(item, item.version, 0);
        if (!known) {
          item.mode = 0o100000 | mode;
          item.mtime = Date.now() / 1000;
          if (this.staging !== undefined) {
            item.backingFd = item.version.staging = openSync(join(this.staging, String(this.#files++)), 'w+');
          }
        }
        const handle = this.handle(item);
        const file = item.backingFd === undefined ? { handle } : { handle, backingFd: item.backingFd };
        return { entry: this.entry(item), file };
      }),

    write: (node, _handle, offset, data, context) =>
      this.run('write', node, context, () => {
        const { item, version } = this.at(node);
        return this.#write(item, version, offset, data);
      }),

    flush: (node, _handle, context) => this.run('flush', node, context, () => {}),

    fsync: (node, _handle, dataOnly, context) =>
      this.run(dataOnly ? 'fdatasync' : 'fsync', node, context, () => {
        const { staging } = this.at(node).version;
        if (staging !== undefined) fdatasyncSync(staging);
      }),

    fsyncdir: (node, _dataOnly, context) => this.run('fsyncdir', node, context, () => {}),

    mkdir: (parent, name, mode, context) =>
      this.run('mkdir', parent, context, () => {
        if (this.#folder(parent).has(name)) throw no('item-exists');
        const item = this.folder(this.get(parent), name);
        item.mode = 0o40000 | mode;
        return this.entry(item);
      }),

    unlink: (parent, name, context) =>
      this.run('unlink', parent, context, () => {
        if (this.#child(parent, name).children) throw no('is-a-folder');
        this.remove(this.get(parent), name);
      }),

    rmdir: (parent, name, context) =>
      this.run('rmdir', parent, context, () => {
        const { children } = this.#child(parent, name);
        if (!children) throw no('not-a-folder');
        if (children.size > 0) throw no('folder-not-empty');
        this.remove(this.get(parent), name);
      }),

    rename: (parent, name, newParent, newName, replace, context) =>
      this.run('rename', parent, context, () => {
        const item = this.#child(parent, name);
        const target = this.#folder(newParent).get(newName);
        if (target && !replace) throw no('item-exists');
        if (target?.children && target.children.size > 0) throw no('folder-not-empty');
        if (target?.children && !item.children) throw no('is-a-folder');
        if (target && !target.children && item.children) throw no('not-a-folder');
        this.#folder(parent).delete(name);
        this.#folder(newParent).set(newName, item);
        this.changed();
      }),

    fallocate: (node, _handle, offset, length, mode, context) =>
      this.run('fallocate', node, context, () => {
        if (mode !== 0) throw no('not-supported');
        const { item, version } = this.at(node);
        const size = version.staging === undefined ? version.content.length : fstatSync(version.staging).size;
        if (offset + length > size) this.#truncate(item, version, offset + length);
      }),

    copyFileRange: (from, to, length, context) =>
      this.run('copyFileRange', from.node, context, () => {
        const source = this.at(from.node).version;
        if (source.staging !== undefined) throw no('not-supported');
        const data = Uint8Array.from(source.content.subarray(from.offset, from.offset + length));
        const { item, version } = this.at(to.node);
        return this.#write(item, version, to.offset, data);
      }),

    setxattr: (node, name, value, condition, context) =>
      this.run('setxattr', node, context, () => {
        const { xattrs } = this.get(node);
        if (condition === 'create' && xattrs.has(name)) throw no('item-exists');
        if (condition === 'replace' && !xattrs.has(name)) throw no('no-such-attribute');
        if (!name.startsWith('user.')) throw no('not-supported');
        xattrs.set(name, value);
      }),

    removexattr: (node, name, context) =>
      this.run('removexattr', node, context, () => {
        if (!this.get(node).xattrs.delete(name)) throw new Failure('no-such-attribute', { name });
      }),

    forbidden: (what) => this.forbidden.push(what),
  };
}
