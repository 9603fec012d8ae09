import { Failure } from '../base/errors.js';
import { type Inode, type NodeId, ROOT_INODE } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { Context, Entry, KernelCache, NoEntry } from '../fuse/filesystem.js';
import { WATCHED_S } from '../mirror/sync/poll-interval.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import type { ListedLocalItem, LocalItem, Tree } from '../outbox/tree/tree.js';
import type { WorkingFile } from '../outbox/working/working-file.js';
import { attributesOf, type Ownership } from './attributes.js';
import { FileHandles } from './file-handles.js';
import { Generations } from './generations.js';
import { Nodes } from './nodes.js';
import type { ProjectParts, Showing } from './options.js';
import { isConcealed } from './privacy.js';
import { spelledNode } from './spellings.js';

/**
 * Seconds. The kernel is notified of every change, so longer time-outs would be correct. But a program that only looks
 * names up must reach the daemon often enough for the folder to keep counting as watched.
 */
const PUSHED_TIMEOUT = WATCHED_S;
/** Seconds, where the kernel cannot be notified. */
const UNTOLD_TIMEOUT_S = 1;
/**
 * Seconds for which the kernel may keep the attributes of a file that has a working file: not 0, as programs ask for
 * attributes just after opening.
 */
const OPEN_TIMEOUT_S = 1;

/** The items of a project as one mount shows them: by which nodes, with which attributes, and in which state. */
export class ShownProject {
  readonly project: ProjectParts;
  readonly owner: Ownership;
  readonly log: Log;
  readonly tree: Tree;
  readonly nodes: Nodes;
  readonly handles: FileHandles;
  readonly generations: Generations;
  /** Seconds. */
  readonly #longest: number;
  #timeout = UNTOLD_TIMEOUT_S;

  constructor(project: ProjectParts, { owner, root, shared, log }: Showing) {
    this.project = project;
    this.owner = owner;
    this.log = log;
    this.tree = project.outbox.tree;
    this.nodes = new Nodes(root ?? ROOT_INODE, shared?.numbering);
    this.handles = new FileHandles(shared?.newHandle);
    this.generations = new Generations((folder) => this.tree.item(folder) !== undefined);
    this.#longest = shared?.timeout ?? PUSHED_TIMEOUT;
  }

  mounted(kernel: KernelCache): void {
    this.#timeout = Math.min(this.#longest, kernel.canInvalidate ? PUSHED_TIMEOUT : UNTOLD_TIMEOUT_S);
  }

  /** @throws Failure `version-gone` (ESTALE, on which the kernel looks the path up again) */
  item(node: NodeId): LocalItem {
    const item = this.tree.item(this.nodes.inode(node));
    if (item && this.nodes.of(item) === node) {
      if (this.isConcealed(item) && node !== this.nodes.rootNode && !this.handles.version(node))
        throw new Failure('no-such-item', { path: item.name });
      return item;
    }
    const open = this.handles.version(node);
    if (open) return open;
    throw new Failure('version-gone', { path: item?.name ?? `node ${node}` });
  }

  /** Writing, and reading written content, is possible only at the current version. @throws Failure `version-gone` */
  requireCurrent(node: NodeId, item: LocalItem): void {
    const now = this.tree.item(item.inode);
    if (now && this.nodes.of(now) !== node) throw new Failure('version-gone', { path: item.name });
  }

  /** Whether the item exists but is not shown on this mount. */
  isConcealed(item: Pick<ListedLocalItem, 'flags'>): boolean {
    return isConcealed(item.flags, this.owner.privacy ?? 'owner');
  }

  /** The working file of the current version at a node. A superseded version has none, even while it is open. */
  working(inode: Inode, node: NodeId): WorkingFile | undefined {
    const file = this.project.outbox.working(inode);
    const now = file && this.tree.item(inode);
    return now && this.nodes.of(now) === node ? file : undefined;
  }

  entry(item: ListedLocalItem): Entry {
    const node = this.nodes.of(item);
    const file = this.handles.file(node) ?? this.working(item.inode, node);
    const listed = attributesOf(item, this.nodes.number(item.inode), this.owner);
    // A removed file stays visible to programs that have it open, with no links.
    const isGone = this.handles.version(node) !== undefined && !this.tree.item(item.inode);
    const attributes = isGone ? { ...listed, nlink: 0 } : listed;
    const stat = file?.stat;
    return {
      node,
      generation: item.isFile ? 0 : this.generations.of(item.inode),
      attributes: stat ? { ...attributes, ...stat, ctime: Math.max(attributes.ctime, stat.mtime) } : attributes,
      entryTimeout: this.#timeout,
      // The kernel drops cached size and times at each write(2), but not at a write through a memory mapping.
      attributeTimeout: file ? Math.min(OPEN_TIMEOUT_S, this.#timeout) : this.#timeout,
    };
  }

  /** The entry by which a child is found under a name, which may be another spelling of its own. */
  found(child: LocalItem | undefined, name: string): Entry | NoEntry {
    // When an item appears, the kernel is notified of its exact name only, not of other spellings.
    if (!child || this.isConcealed(child))
      return { node: undefined, entryTimeout: this.project.mirror.view.ignoresCase ? 0 : this.#timeout };
    const entry = this.entry(child);
    if (child.name === name) return entry;
    return { ...entry, node: spelledNode(entry.node), entryTimeout: 0, attributeTimeout: 0 };
  }

  /** Undefined when every child of the folder is known; otherwise resolves once they are. */
  listed(folder: LocalItem, context: Context): Promise<void> | undefined {
    return this.isListed(folder) ? undefined : this.project.mirror.list(folder, 'interactive', context.signal);
  }

  isListed(folder: LocalItem): boolean {
    return folder.remoteId === NO_REMOTE || this.project.mirror.view.isListed(folder.remoteId);
  }

  /** Marks a folder as watched: watched folders are polled more often. */
  watch(folder: LocalItem | undefined): void {
    if (folder) this.project.mirror.opened(folder.inode);
  }
}
