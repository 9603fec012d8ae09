import { asNodeId, type NodeId } from '../base/ids.js';
import type { Entry, KernelCache, NoEntry } from '../fuse/filesystem.js';
import { forwardReading, forwardWriting, type Hooks } from '../fuse/forwarding.js';
import type { FileSystem } from '../fuse/operations.js';
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
  const hooks: Hooks = {
    node: plain,
    run: (operation, args) => operation.of(inner, args),
    concerns: isSpelled,
    results: {
      found: unkept,
      entry: unkept,
      attributes: (entry) => ({ ...entry, attributeTimeout: 0 }),
      created: (made) => ({ ...made, entry: unkept(made.entry) }),
      file: (opened) => ({ ...opened, keepCache: false }),
      folder: (opened) => ({ ...opened, keepCache: false }),
      page: ({ entries, end }) => ({
        entries: entries.map((one) => (one.entry ? { ...one, entry: unkept(one.entry) } : one)),
        end,
      }),
    },
    /** Invalidates the first node in the kernel. Not awaited, because the request that changed it holds locks. */
    changed(node, name) {
      if (!isSpelled(node) || !kernel?.canInvalidate) return;
      const first = plain(node);
      const told = [
        kernel.invalidateNode(first, 0),
        ...(name === undefined ? [] : [kernel.invalidateEntry(first, name)]),
      ];
      // If it fails because of an unmount, there is nothing to invalidate.
      void Promise.allSettled(told);
    },
  };
  return {
    ...forwardReading(hooks),
    ...(inner.writable ? { writable: forwardWriting(hooks) } : {}),
    mounted(told) {
      kernel = told;
      inner.mounted(told);
    },
    destroy: () => inner.destroy(),
  };
}
