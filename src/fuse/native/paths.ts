import { LRUCache } from 'lru-cache';
import { Failure } from '../../base/errors.js';
import { type NodeId, ROOT_NODE } from '../../base/ids.js';
import type { Context, Entry } from '../filesystem.js';
import type { FileSystem } from '../operations.js';

/** The most folders whose node is cached, and for how long: this driver is not notified when a folder is moved. */
const MOST_FOLDERS = 4096;
const FOLDER_TTL_MS = 1_000;

export interface PathNode {
  readonly parent: NodeId;
  readonly name: string;
}

/** Resolves the paths of libfuse to nodes, with a lookup per name. Folders on the path are cached for a second. */
export class NativePaths {
  readonly #folders = new LRUCache<string, NodeId & {}>({ max: MOST_FOLDERS, ttl: FOLDER_TTL_MS });

  constructor(private readonly fileSystem: FileSystem) {}

  /** @throws Failure no-such-item */
  async entry(path: string, context: Context): Promise<Entry> {
    if (path === '/') return this.fileSystem.getattr(ROOT_NODE, undefined, context);
    const { parent, name } = await this.place(path, context);
    return this.#lookup(parent, name, path, context);
  }

  async node(path: string, context: Context): Promise<NodeId> {
    return path === '/' ? ROOT_NODE : (await this.entry(path, context)).node;
  }

  /** The parent folder and the name of a path. The path itself need not exist. */
  async place(path: string, context: Context): Promise<PathNode> {
    const slash = path.lastIndexOf('/');
    return { parent: await this.#folder(path.slice(0, slash), context), name: path.slice(slash + 1) };
  }

  /** Clears the cache; needed after a rename or removal, which may affect cached folders below. */
  forget(): void {
    this.#folders.clear();
  }

  async #folder(path: string, context: Context): Promise<NodeId> {
    if (path === '') return ROOT_NODE;
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf('/');
    const parent = await this.#folder(path.slice(0, slash), context);
    const { node } = await this.#lookup(parent, path.slice(slash + 1), path, context);
    this.#folders.set(path, node);
    return node;
  }

  async #lookup(parent: NodeId, name: string, path: string, context: Context): Promise<Entry> {
    if (Buffer.byteLength(name) > 255) throw new Failure('name-too-long');
    const found = await this.fileSystem.lookup(parent, name, context);
    if (found.node === undefined) throw new Failure('no-such-item', { path });
    return found;
  }
}
