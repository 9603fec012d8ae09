import type { Clock } from '../base/clock.js';
import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { KernelCache } from '../fuse/filesystem.js';
import type { Change, Place } from '../mirror/database/changes.js';
import type { Outbox } from '../outbox/outbox.js';
import type { LocalItem, Tree } from '../outbox/tree/tree.js';
import type { Nodes } from './nodes.js';

/** Milliseconds until what could not be told is told again. */
const RETRY_MS = 1000;

/**
 * Tells the kernel what changed at the server and through other mounts, so that its time-outs can be long and the mount
 * still is coherent.
 * Only folders that the kernel has asked about can be stale there.
 */
export class Invalidation {
  readonly #tree: Tree;
  readonly #nodes: Nodes;
  readonly #kernel: KernelCache;
  readonly #log: Log;
  readonly #conceals: boolean;
  readonly #clock: Clock;
  readonly #asked = new Set<Inode>();
  readonly #ended = new AbortController();

  /** @param conceals a name may come and go without a move: what is private is not shown */
  constructor(
    { tree, clock }: Pick<Outbox, 'tree' | 'clock'>,
    nodes: Nodes,
    kernel: KernelCache,
    log: Log,
    conceals: boolean,
  ) {
    this.#conceals = conceals;
    this.#tree = tree;
    this.#clock = clock;
    this.#nodes = nodes;
    this.#kernel = kernel;
    this.#log = log;
  }

  /** The kernel now may remember names of this folder. */
  asked(folder: Inode): void {
    this.#asked.add(folder);
  }

  /**
   * Resolves when the kernel has forgotten what the changes made stale. What it is not told it would keep, listings for
   * good: where that fails it is tried again. Never rejects.
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

  /** Nothing more is told. */
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
      // Who has only a handle of its name asks again, and hears that it is another one now.
      if (asked.length > 0 && replacedSequence !== undefined)
        work.push(this.#node({ inode, sequence: replacedSequence }, -1, asked));
    }
    for (const folder of folders) work.push(this.#directory(folder));
  }

  /** What the kernel remembers of listings is not kept up any more. */
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
   * The kernel knows a node from when the program that asked for it runs again, with the attributes of the answer: what
   * is told before that finds no node. The program has the folder locked until then, and a name waits for the lock
   * (`fuse_reverse_inval_entry()` in `fs/fuse/dir.c`).
   * @param offset as in `KernelCache.invalidateNode`
   */
  async #node(item: Pick<LocalItem, 'inode' | 'sequence'>, offset: number, places: readonly Place[]): Promise<void> {
    const node = this.#nodes.of(item);
    if (await this.#kernel.invalidateNode(node, offset)) return;
    await Promise.all(places.map((place) => this.#entry(place)));
    await this.#kernel.invalidateNode(node, offset);
  }

  /** What is gone here may still be in the kernel. */
  #item(inode: Inode): Pick<LocalItem, 'inode' | 'sequence'> | undefined {
    return this.#tree.item(inode) ?? this.#tree.view.item(inode);
  }
}
