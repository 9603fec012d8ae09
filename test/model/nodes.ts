/** Content that a name and open handles share; a foreign version is another one. */
export interface Content {
  bytes: Buffer;
}

/** A document or folder at the server. */
export class Doc {
  readonly type: 'file' | 'folder';
  name: string;
  parent: Doc | undefined;
  bytes: Buffer = Buffer.alloc(0);
  version = 1;
  gone = false;
  /** By which name it is known here; undefined: deleted here, or hidden by something of the same name. */
  node: Node | undefined;
  /** Known once it was seen at the server. */
  id: number | undefined;
  /** It is the copy of a conflict about a file of this name; the server has it under a name with the time in it. */
  conflictOf: string | undefined;
  /** Versions that it has more than before the last look: at least, and at most. */
  added = { least: 0, most: 0 };
  versions = 0;

  constructor(type: 'file' | 'folder', name: string, parent: Doc | undefined) {
    this.type = type;
    this.name = name;
    this.parent = parent;
  }
}

/** Where an item stands at the server, as far as it was known when somebody here changed it. */
export interface Base {
  readonly doc: Doc;
  readonly parent: Node;
  readonly name: string;
  readonly version: number;
}

/** A file or folder as people here see it. */
export class Node {
  readonly type: 'file' | 'folder';
  name: string;
  /** Undefined: unlinked, maybe still open. */
  parent: Node | undefined;
  readonly children = new Map<string, Node>();
  content: Content = { bytes: Buffer.alloc(0) };
  base: Base | undefined;
  dirty = false;
  /** It was open for writing: whether that counts as a change depends on the clock. */
  unsure = false;
  writers = 0;
  /** What was set, while nothing else changed it; undefined: whatever it is. */
  mode: number | undefined;
  mtime: number | undefined;

  constructor(type: 'file' | 'folder', name: string, parent: Node | undefined) {
    this.type = type;
    this.name = name;
    this.parent = parent;
  }

  get moved(): boolean {
    return this.base !== undefined && (this.base.parent !== this.parent || this.base.name !== this.name);
  }

  /** Somebody here changed it, and the server does not know. */
  get pending(): boolean {
    return this.base === undefined || this.dirty || this.moved;
  }

  /** Somebody else made a version since. */
  get stale(): boolean {
    return this.base !== undefined && this.base.doc.version !== this.base.version;
  }

  changed(): void {
    this.dirty = true;
    this.mtime = undefined;
  }
}

export function isWithin(node: Node | undefined, folder: Node): boolean {
  for (let at = node; at; at = at.parent) if (at === folder) return true;
  return false;
}

export function docWithin(doc: Doc | undefined, folder: Doc): boolean {
  for (let at = doc; at; at = at.parent) if (at === folder) return true;
  return false;
}

export function pathOf(of: Node | Doc): string {
  const names: string[] = [];
  for (let at: Node | Doc | undefined = of; at?.parent; at = at.parent) names.unshift(at.name);
  return names.join('/');
}

export class ModelError extends Error {
  readonly errno: string;

  constructor(errno: string) {
    super(errno);
    this.errno = errno;
  }
}
