import type { Clock } from '../base/clock.js';
import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { KernelCache } from '../fuse/filesystem.js';
import type { Change, Place } from '../mirror/database/changes.js';
import type { LocalItem, Tree } from '../outbox/tree/tree.js';
import type { Nodes } from './nodes.js';
import type { ShownProject } from './shown-project.js';

/** Milliseconds before a failed invalidation is tried again. */
const RETRY_MS = 1000;

/**
 * Notifies the kernel of changes at the server and through other mounts, so that the mount is coherent although
 * time-outs are long. Only folders that the kernel has asked about can be stale in its cache.
 */
export class Invalidation {
  readonly #tree: Tree;
  readonly #nodes: Nodes;
  readonly #kernel: KernelCache;
  readonly #log: Log;
  /** Private items are not shown: a name may appear or disappear without a move. */
  readonly #conceals: boolean;
  readonly #clock: Clock;
  readonly #asked = new Set<Inode>();
  readonly #ended = new AbortController();

  constructor({ project, tree, nodes, owner, log }: ShownProject, kernel: KernelCache) {
    this.#conceals = owner.privacy === 'hide';
    this.#tree = tree;
    this.#clock = project.outbox.clock;
    this.#nodes = nodes;
    this.#kernel = kernel;
    this.#log = log;
  }

  /** Records that the kernel may now cache names of this folder. */
  asked(folder: Inode): void {
    this.#asked.add(folder);
  }

  /**
   * Resolves when the kernel has dropped what the changes made stale. A failed invalidation is tried again, as the
   * kernel would keep stale data, and listings without limit. Never rejects.
   */
  async push(changes: readonly Change[]): Promise<void> {
    while (this.#kernel.canInvalidate && !this.#ended.signal.aborted)
      try {
        return await this.#push(changes);
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        this.#log.error({ error }, 'an invalidation failed; it is tried again');
        await this.#clock.sleep(RETRY_MS, this.#ended.signal).catch(() => undefined);
      }
  }

  /** Stops sending notifications. */
  close(): void {
    this.#ended.abort();
  }

  async #push(changes: readonly Change[]): Promise<void> {
    const work: Promise<void>[] = [];
    try {
      this.#begin(changes, work);
    } catch (error) {
      work.push(Promise.reject(error));
    }
    const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #begin(changes: readonly Change[], work: Promise<void>[]): void {
    const folders = new Set<Inode>();
    for (const { inode, before, after, replacedSequence, rewritten } of changes) {
      const moved = before?.parent !== after?.parent || before?.name !== after?.name;
      const renames = moved || replacedSequence !== undefined;
      const places = [before, ...(moved ? [after] : [])].filter((place) => place !== undefined);
      const asked = places.filter((place) => this.#asked.has(place.parent));
      for (const place of asked) {
        folders.add(place.parent);
        if (renames || this.#conceals) work.push(this.#entry(place));
      }
      if (asked.length > 0 || inode === this.#nodes.root) {
        const item = this.#item(inode);
        if (item) work.push(this.#node(item, rewritten ? 0 : -1, asked));
      }
      // A program that holds only the replaced node gets its attributes again, and learns that the version is gone.
      if (asked.length > 0 && replacedSequence !== undefined)
        work.push(this.#node({ inode, sequence: replacedSequence }, -1, asked));
    }
    for (const folder of folders) work.push(this.#directory(folder));
  }

  /** Drops the kernel's cached listings, which will no longer be invalidated. */
  async forget(): Promise<void> {
    const folders = [...this.#asked];
    this.#asked.clear();
    await Promise.allSettled(folders.map((folder) => this.#directory(folder)));
  }

  #entry(place: Place): Promise<void> {
    const parent = this.#item(place.parent);
    return parent ? this.#kernel.invalidateEntry(this.#nodes.of(parent), place.name) : Promise.resolve();
  }

  async #directory(inode: Inode): Promise<void> {
    const item = this.#item(inode);
    if (item) await this.#kernel.invalidateNode(this.#nodes.of(item), 0);
  }

  /**
   * Invalidates a node. The kernel knows a node only after the program that looked it up has resumed, and then has the
   * attributes of the reply: a notification before that finds no node. Until then the program holds the lock of the
   * folder, and the notification of a name waits for this lock (`fuse_reverse_inval_entry()` in `fs/fuse/dir.c`). So
   * the names are invalidated first, and then the node again.
   * @param offset as in `KernelCache.invalidateNode`
   */
  async #node(item: Pick<LocalItem, 'inode' | 'sequence'>, offset: number, places: readonly Place[]): Promise<void> {
    const node = this.#nodes.of(item);
    if (await this.#kernel.invalidateNode(node, offset)) return;
    await Promise.all(places.map((place) => this.#entry(place)));
    await this.#kernel.invalidateNode(node, offset);
  }

  /** Also finds an item that was removed here but not at the server: the kernel may still have it cached. */
  #item(inode: Inode): Pick<LocalItem, 'inode' | 'sequence'> | undefined {
    return this.#tree.item(inode) ?? this.#tree.view.item(inode);
  }
}
