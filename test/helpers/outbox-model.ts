/** A plain file system in memory: what the mount must behave like. */
type ModelNode =
  | { readonly type: 'folder'; readonly children: Map<string, ModelNode> }
  | { readonly type: 'file'; content: Buffer };

export class ModelError extends Error {
  readonly errno: string;

  constructor(errno: string) {
    super(errno);
    this.errno = errno;
  }
}

export class Model {
  readonly #root: ModelNode & { readonly type: 'folder' } = { type: 'folder', children: new Map() };

  read(path: string): Buffer {
    const node = this.#get(path);
    if (node.type === 'folder') throw new ModelError('EISDIR');
    return node.content;
  }

  list(path: string): string[] {
    const node = this.#get(path);
    if (node.type !== 'folder') throw new ModelError('ENOTDIR');
    return [...node.children.keys()].sort();
  }

  write(path: string, text: string, how: 'replace' | 'append' | number): void {
    const [parent, name] = this.#place(path);
    let node = parent.children.get(name);
    if (node?.type === 'folder') throw new ModelError('EISDIR');
    if (!node) parent.children.set(name, (node = { type: 'file', content: Buffer.alloc(0) }));
    const data = Buffer.from(text);
    const before = how === 'replace' ? Buffer.alloc(0) : node.content;
    const offset = how === 'append' ? before.length : typeof how === 'number' ? how : 0;
    const content = Buffer.alloc(data.length === 0 ? before.length : Math.max(before.length, offset + data.length));
    before.copy(content);
    data.copy(content, offset);
    node.content = content;
  }

  truncate(path: string, size: number): void {
    const node = this.#get(path);
    if (node.type === 'folder') throw new ModelError('EISDIR');
    const content = Buffer.alloc(size);
    node.content.copy(content);
    node.content = content;
  }

  mkdir(path: string): void {
    const [parent, name] = this.#place(path);
    if (parent.children.has(name)) throw new ModelError('EEXIST');
    parent.children.set(name, { type: 'folder', children: new Map() });
  }

  unlink(path: string): void {
    const [parent, name] = this.#place(path);
    const node = parent.children.get(name);
    if (!node) throw new ModelError('ENOENT');
    if (node.type === 'folder') throw new ModelError('EISDIR');
    parent.children.delete(name);
  }

  rmdir(path: string): void {
    const [parent, name] = this.#place(path);
    const node = parent.children.get(name);
    if (!node) throw new ModelError('ENOENT');
    if (node.type !== 'folder') throw new ModelError('ENOTDIR');
    if (node.children.size > 0) throw new ModelError('ENOTEMPTY');
    parent.children.delete(name);
  }

  rename(from: string, to: string): void {
    const [parent, name] = this.#place(from);
    const [newParent, newName] = this.#place(to);
    const node = parent.children.get(name);
    if (!node) throw new ModelError('ENOENT');
    const over = newParent.children.get(newName);
    if (over === node) return;
    if (over?.type === 'folder' && node.type === 'file') throw new ModelError('EISDIR');
    if (over?.type === 'file' && node.type === 'folder') throw new ModelError('ENOTDIR');
    if (over?.type === 'folder' && over.children.size > 0) throw new ModelError('ENOTEMPTY');
    parent.children.delete(name);
    newParent.children.set(newName, node);
  }

  /** Paths of folders, and of files with their content. */
  tree(): Map<string, Buffer | undefined> {
    const found = new Map<string, Buffer | undefined>();
    const walk = (node: ModelNode, path: string): void => {
      if (node.type === 'file') return;
      for (const [name, child] of node.children) {
        const at = path === '' ? name : `${path}/${name}`;
        found.set(at, child.type === 'file' ? child.content : undefined);
        walk(child, at);
      }
    };
    walk(this.#root, '');
    return found;
  }

  #get(path: string): ModelNode {
    let node: ModelNode = this.#root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (node.type !== 'folder') throw new ModelError('ENOTDIR');
      const child: ModelNode | undefined = node.children.get(name);
      if (!child) throw new ModelError('ENOENT');
      node = child;
    }
    return node;
  }

  #place(path: string): [ModelNode & { readonly type: 'folder' }, string] {
    const at = path.lastIndexOf('/');
    const parent = this.#get(at < 0 ? '' : path.slice(0, at));
    if (parent.type !== 'folder') throw new ModelError('ENOTDIR');
    return [parent, path.slice(at + 1)];
  }
}
