import { asNodeId, type NodeId } from '../base/ids.js';
import {
  type Awaitable,
  after,
  type Entry,
  type FilePosition,
  type FileSystem,
  type KernelCache,
  type NoEntry,
  type WritableFileSystem,
} from '../fuse/filesystem.js';
import { FIRST_NODE as FIRST_HIDDEN } from './hidden/places.js';

/**
 * If case is ignored, an item that was looked up by another spelling of its name gets a second node. With a single
 * node, rename(2) between two spellings of one name would do nothing (vfs_rename, fs/namei.c), and the kernel could
 * know a folder by one spelling only. The kernel caches nothing of such a node.
 */
const SPELLED = 2 ** 51;

/** The node of an item for another spelling of its name. */
export const spelledNode = (node: NodeId): NodeId => asNodeId(node + SPELLED);

const isSpelled = (node: NodeId): boolean => node >= SPELLED && node < FIRST_HIDDEN;
const plain = (node: NodeId): NodeId => (isSpelled(node) ? asNodeId(node - SPELLED) : node);

const unkept = <E extends Entry | NoEntry>(entry: E): E => ({ ...entry, entryTimeout: 0 });

/** Serves second nodes by a file system that knows only first nodes, and invalidates the first ones in the kernel. */
export function withSpellings(inner: FileSystem): FileSystem {
  let kernel: KernelCache | undefined;
  /** Invalidates the first node in the kernel. Not awaited, because the request that changed it holds locks. */
  const changed = (node: NodeId, ...names: readonly string[]): void => {
    if (!isSpelled(node) || !kernel?.canInvalidate) return;
    const first = plain(node);
    const told = [kernel.invalidateNode(first, 0), ...names.map((name) => kernel!.invalidateEntry(first, name))];
    // If it fails because of an unmount, there is nothing to invalidate.
    void Promise.allSettled(told);
  };
  const { writable } = inner;
  return {
    ...(writable ? { writable: writing(writable, changed) } : {}),
    mounted(told) {
      kernel = told;
      inner.mounted(told);
    },
    lookup(parent, name, context) {
      const found = inner.lookup(plain(parent), name, context);
      return isSpelled(parent) ? after(found, unkept) : found;
    },
    getattr(node, handle, context) {
      const entry = inner.getattr(plain(node), handle, context);
      return isSpelled(node) ? after(entry, (found) => ({ ...found, attributeTimeout: 0 })) : entry;
    },
    opendir: (node, context) => inner.opendir(plain(node), context),
    readdir(node, handle, cookie, limit, context) {
      const page = inner.readdir(plain(node), handle, cookie, limit, context);
      if (!isSpelled(node)) return page;
      return after(page, ({ entries, end }) => ({
        entries: entries.map((one) => (one.entry ? { ...one, entry: unkept(one.entry) } : one)),
        end,
      }));
    },
    releasedir: (node, handle) => inner.releasedir(plain(node), handle),
    isListedAnew: (node) => isSpelled(node) || inner.isListedAnew?.(node) === true,
    open(node, flags, context) {
      const file = inner.open(plain(node), flags, context);
      return isSpelled(node) ? after(file, (opened) => ({ ...opened, keepCache: false })) : file;
    },
    read: (node, handle, offset, size, context) => inner.read(plain(node), handle, offset, size, context),
    ...(inner.sent ? { sent: (bytes: Uint8Array) => inner.sent!(bytes) } : {}),
    release(node, handle) {
      inner.release(plain(node), handle);
      changed(node);
    },
    statfs: (context) => inner.statfs(context),
    getxattr: (node, name, context) => inner.getxattr(plain(node), name, context),
    listxattr: (node, context) => inner.listxattr(plain(node), context),
    destroy: () => inner.destroy(),
  };
}

function writing(
  inner: WritableFileSystem,
  changed: (node: NodeId, ...names: readonly string[]) => void,
): WritableFileSystem {
  const at = (position: FilePosition): FilePosition => ({ ...position, node: plain(position.node) });
  const then = <T>(result: Awaitable<T>, node: NodeId, ...names: readonly string[]): Awaitable<T> =>
    isSpelled(node)
      ? after(result, (value) => {
          changed(node, ...names);
          return value;
        })
      : result;
  return {
    setattr(node, changes, handle, context) {
      const entry = then(inner.setattr(plain(node), changes, handle, context), node);
      return isSpelled(node) ? after(entry, (found) => ({ ...found, attributeTimeout: 0 })) : entry;
    },
    create(parent, name, mode, flags, context) {
      const made = then(inner.create(plain(parent), name, mode, flags, context), parent, name);
      return isSpelled(parent) ? after(made, (file) => ({ ...file, entry: unkept(file.entry) })) : made;
    },
    write: (node, handle, offset, data, context) => inner.write(plain(node), handle, offset, data, context),
    flush: (node, handle, context) => then(inner.flush(plain(node), handle, context), node),
    fsync: (node, handle, dataOnly, context) => then(inner.fsync(plain(node), handle, dataOnly, context), node),
    fsyncdir: (node, dataOnly, context) => inner.fsyncdir(plain(node), dataOnly, context),
    mkdir(parent, name, mode, context) {
      const made = then(inner.mkdir(plain(parent), name, mode, context), parent, name);
      return isSpelled(parent) ? after(made, unkept) : made;
    },
    unlink: (parent, name, context) => then(inner.unlink(plain(parent), name, context), parent, name),
    rmdir: (parent, name, context) => then(inner.rmdir(plain(parent), name, context), parent, name),
    rename: (parent, name, newParent, newName, replace, context) =>
      then(
        then(inner.rename(plain(parent), name, plain(newParent), newName, replace, context), parent, name),
        newParent,
        newName,
      ),
    fallocate: (node, handle, offset, length, mode, context) =>
      inner.fallocate(plain(node), handle, offset, length, mode, context),
    copyFileRange: (from, to, length, context) => inner.copyFileRange(at(from), at(to), length, context),
    setxattr: (node, name, value, condition, context) => inner.setxattr(plain(node), name, value, condition, context),
    removexattr: (node, name, context) => inner.removexattr(plain(node), name, context),
    forbidden: (what, context) => inner.forbidden(what, context),
  };
}
