import { type Base, type Content, isWithin, ModelError, Node, pathOf } from './nodes.js';

export type How = 'replace' | 'append' | number;
export interface Flags {
  readonly read: boolean;
  readonly write: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly append: boolean;
  readonly truncate: boolean;
}

export interface ModelHandle {
  readonly node: Node;
  readonly content: Content;
  readonly flags: Flags;
}

/** What somebody deleted here and the server still has. */
export interface Removed extends Base {
  readonly type: 'file' | 'folder';
  /** Its content took another document's place. */
  readonly replaced?: true;
}

export interface Stat {
  readonly type: 'file' | 'folder';
  readonly size: number | undefined;
  readonly mode: number | undefined;
  readonly mtime: number | undefined;
}

/** Characters that a path may have from the project's root, and what no name may hold. */
const LONGEST_PATH = 255;
const FORBIDDEN = /[<>:\\|?*]|\s\.[^.]*$|\s$/;

/** A plain file system in memory: what the mount must behave like. Knows nothing of a server but what identity is. */
export class ModelTree {
  root = new Node('folder', '', undefined);
  readonly removed = new Set<Removed>();
  readonly handles: ModelHandle[] = [];
  /** Characters of the path above the root. */
  readonly above: number;
  /** Names that are refused are refused by the project, not by a plain file system. */
  readonly judges: boolean;

  constructor(above = 0, judges = true) {
    this.above = above;
    this.judges = judges;
  }

  read(path: string): Buffer {
    return this.#file(path).content.bytes;
  }

  list(path: string): string[] {
    const node = this.get(path);
    if (node.type !== 'folder') throw new ModelError('ENOTDIR');
    return [...node.children.keys()].sort();
  }

  stat(path: string): Stat {
    const { type, content, mode, mtime } = this.get(path);
    return { type, size: type === 'file' ? content.bytes.length : undefined, mode, mtime };
  }

  write(path: string, text: string, how: How): void {
    const handle = this.#open(path, {
      ...{ read: false, write: true, create: true, exclusive: false },
      ...{ append: how === 'append', truncate: how === 'replace' },
    });
    this.#write(handle, typeof how === 'number' ? how : 0, text);
    handle.node.writers--;
  }

  truncate(path: string, size: number): void {
    const node = this.#file(path);
    resize(node.content, size);
    node.changed();
  }

  open(path: string, flags: Flags): void {
    this.handles.push(this.#open(path, flags));
  }

  readHandle(n: number, offset: number, length: number): Buffer {
    const { content, flags } = this.handles[n]!;
    if (!flags.read) throw new ModelError('EBADF');
    return content.bytes.subarray(offset, offset + length);
  }

  writeHandle(n: number, offset: number, text: string): void {
    this.#write(this.handles[n]!, offset, text);
  }

  truncateHandle(n: number, size: number): void {
    const { node, content, flags } = this.handles[n]!;
    if (!flags.write) throw new ModelError('EINVAL');
    resize(content, size);
    if (node.content === content) node.changed();
  }

  sizeOfHandle(n: number): number {
    return this.handles[n]!.content.bytes.length;
  }

  /** Of an older version nobody else can see them. */
  chmodHandle(n: number, mode: number): void {
    const { node, content } = this.handles[n]!;
    if (node.content === content) node.mode = mode;
  }

  utimensHandle(n: number, mtime: number): void {
    const { node, content } = this.handles[n]!;
    if (node.content === content) node.mtime = mtime;
  }

  close(n: number): void {
    const [handle] = this.handles.splice(n, 1);
    if (handle!.flags.write) handle!.node.writers--;
  }

  chmod(path: string, mode: number): void {
    this.get(path).mode = mode;
  }

  utimens(path: string, mtime: number): void {
    this.get(path).mtime = mtime;
  }

  mkdir(path: string): void {
    const [parent, name] = this.#place(path);
    if (parent.children.has(name)) throw new ModelError('EEXIST');
    this.#judge(parent, name);
    this.#put(new Node('folder', name, parent), parent, name);
  }

  unlink(path: string): void {
    const node = this.#child(path);
    if (node.type === 'folder') throw new ModelError('EISDIR');
    this.#remove(node);
  }

  rmdir(path: string): void {
    const node = this.#child(path);
    if (node.type !== 'folder') throw new ModelError('ENOTDIR');
    if (node.children.size > 0) throw new ModelError('ENOTEMPTY');
    this.#remove(node);
  }

  rename(from: string, to: string): void {
    const [parent, name] = this.#place(from);
    const [newParent, newName] = this.#place(to);
    const node = parent.children.get(name);
    if (!node) throw new ModelError('ENOENT');
    if (isWithin(newParent, node)) throw new ModelError('EINVAL');
    const over = newParent.children.get(newName);
    if (over && isWithin(parent, over)) throw new ModelError('ENOTEMPTY');
    if (over === node) return;
    if (over?.type === 'folder' && node.type === 'file') throw new ModelError('EISDIR');
    if (over?.type === 'file' && node.type === 'folder') throw new ModelError('ENOTDIR');
    if (over && over.children.size > 0) throw new ModelError('ENOTEMPTY');
    this.#judge(newParent, newName, node);
    this.#identify(node, over, newParent, newName);
    node.parent!.children.delete(node.name);
    touched(node.parent!);
    if (over) over.parent = undefined;
    this.#put(node, newParent, newName);
    this.settled(node);
  }

  /** What has no content of its own here shows the server's. */
  settled(node: Node): void {
    const { base } = node;
    if (!base || node.dirty || !node.stale || node.type === 'folder') return;
    node.content = { bytes: base.doc.bytes };
    node.base = { ...base, version: base.doc.version };
    node.mode = node.mtime = undefined;
  }

  get(path: string): Node {
    let node = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (node.type !== 'folder') throw new ModelError('ENOTDIR');
      const child = node.children.get(name);
      if (!child) throw new ModelError('ENOENT');
      node = child;
    }
    return node;
  }

  /** Everything, folders before what is in them. */
  all(): Node[] {
    const found: Node[] = [];
    const walk = (node: Node): void => {
      for (const child of node.children.values()) {
        found.push(child);
        walk(child);
      }
    };
    walk(this.root);
    return found;
  }

  /** Identity follows the name: who comes to a document's place is its next version. */
  #identify(node: Node, over: Node | undefined, parent: Node, name: string): void {
    if (!over) {
      if (!node.base && node.type === 'file') this.#claim(node, parent, name);
      return;
    }
    if (!over.base) return;
    if (over.type === 'folder') {
      over.base.doc.node = undefined;
      this.removed.add({ ...over.base, type: 'folder' });
      return;
    }
    if (node.base) {
      node.base.doc.node = undefined;
      this.removed.add({ ...node.base, type: 'file', replaced: true });
    }
    this.#take(node, over.base);
  }

  #claim(node: Node, parent: Node, name: string): void {
    const isLeft = (base: Base): boolean => base.parent === parent && base.name === name;
    for (const one of this.removed)
      if (one.type === 'file' && isLeft(one)) {
        this.removed.delete(one);
        this.#take(node, one);
        return;
      }
    const left = this.all().find((one) => one.type === 'file' && one.base && one.moved && isLeft(one.base));
    if (!left?.base || left === node) return;
    this.#take(node, left.base);
    left.base = undefined;
    left.dirty = true;
  }

  #take(node: Node, { doc, parent, name, version }: Base): void {
    node.base = { doc, parent, name, version };
    node.dirty = true;
    doc.node = node;
  }

  #open(path: string, flags: Flags): ModelHandle {
    const [parent, name] = this.#place(path);
    let node = parent.children.get(name);
    if (node && flags.create && flags.exclusive) throw new ModelError('EEXIST');
    if (node?.type === 'folder') throw new ModelError('EISDIR');
    if (!node) {
      if (!flags.create) throw new ModelError('ENOENT');
      this.#judge(parent, name);
      node = new Node('file', name, parent);
      node.dirty = true;
      this.#put(node, parent, name);
      this.#claim(node, parent, name);
    } else if (flags.truncate && flags.write && node.content.bytes.length > 0) {
      node.content.bytes = Buffer.alloc(0);
      node.changed();
    }
    if (flags.write) {
      node.unsure = true;
      node.writers++;
      if (flags.truncate) node.mtime = undefined;
    }
    return { node, content: node.content, flags };
  }

  #write({ node, content, flags }: ModelHandle, offset: number, text: string): void {
    if (!flags.write) throw new ModelError('EBADF');
    const data = Buffer.from(text);
    if (data.length === 0) return;
    const at = flags.append ? content.bytes.length : offset;
    resize(content, Math.max(content.bytes.length, at + data.length));
    data.copy(content.bytes, at);
    if (node.content === content) node.changed();
  }

  #judge(parent: Node, name: string, moved?: Node): void {
    if (!this.judges) return;
    if (moved?.name !== name && FORBIDDEN.test(name)) throw new ModelError('EINVAL');
    const length = (node: Node): number =>
      node.name.length + Math.max(0, ...[...node.children.values()].map((child) => 1 + length(child)));
    const below = moved ? length(moved) - moved.name.length : 0;
    const path = pathOf(parent);
    if (this.above + (path === '' ? 0 : path.length + 1) + name.length + below > LONGEST_PATH)
      throw new ModelError('ENAMETOOLONG');
  }

  #remove(node: Node): void {
    if (node.base) {
      this.removed.add({ ...node.base, type: node.type });
      node.base.doc.node = undefined;
      node.base = undefined;
    }
    node.parent!.children.delete(node.name);
    touched(node.parent!);
    node.parent = undefined;
  }

  #put(node: Node, parent: Node, name: string): void {
    node.parent = parent;
    node.name = name;
    parent.children.set(name, node);
    touched(parent);
  }

  #file(path: string): Node {
    const node = this.get(path);
    if (node.type === 'folder') throw new ModelError('EISDIR');
    return node;
  }

  #child(path: string): Node {
    const [parent, name] = this.#place(path);
    const node = parent.children.get(name);
    if (!node) throw new ModelError('ENOENT');
    return node;
  }

  #place(path: string): [Node, string] {
    const at = path.lastIndexOf('/');
    const parent = this.get(at < 0 ? '' : path.slice(0, at));
    if (parent.type !== 'folder') throw new ModelError('ENOTDIR');
    return [parent, path.slice(at + 1)];
  }
}

/** Its entries changed, and with them its time. */
function touched(folder: Node): void {
  folder.mtime = undefined;
}

function resize(content: Content, size: number): void {
  const bytes = Buffer.alloc(size);
  content.bytes.copy(bytes);
  content.bytes = bytes;
}
