import { Doc, docWithin, isWithin, Node, pathOf } from './nodes.js';
import type { ModelTree, Removed } from './tree.js';

/** A change at the server behind everyone's back, where what becomes of it here is documented. */
export type RemoteChange =
  | {
      readonly op: 'create';
      readonly parent: Doc;
      readonly name: string;
      readonly type: 'file' | 'folder';
      readonly text: string;
    }
  | { readonly op: 'update'; readonly doc: Doc; readonly text: string }
  | { readonly op: 'delete'; readonly doc: Doc }
  | { readonly op: 'move'; readonly doc: Doc; readonly parent: Doc; readonly name: string };

/**
 * What the server has, and how it comes together with what people did here: both sides' contents are kept, names and
 * folders go one by one to who changed them, a new version belongs to the document wherever that went meanwhile, what
 * was written to a deleted document goes up as a new one, and what was deleted here goes only as it was seen.
 */
export class ModelServer {
  readonly root = new Doc('folder', '', undefined);
  readonly #tree: ModelTree;
  #docs: Doc[] = [];

  constructor(tree: ModelTree) {
    this.#tree = tree;
    this.root.node = tree.root;
    tree.root.base = { doc: this.root, parent: tree.root, name: '', version: 1 };
  }

  /** Everything that is not deleted, in order of paths. */
  docs(): Doc[] {
    return this.#docs.filter((doc) => isThere(doc)).sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
  }

  folders(): Doc[] {
    return [this.root, ...this.docs().filter(({ type }) => type === 'folder')];
  }

  /** Whether the place is one at which the server has, or will have, something that is not seen here under that name. */
  isContested(parent: Node, name: string): Doc | undefined {
    const folder = parent.base?.doc;
    if (!folder) return undefined;
    return this.#docs.find((doc) => {
      if (!isThere(doc) || doc.parent !== folder || doc.name !== name) return false;
      if (!doc.node)
        return ![...this.#tree.removed].some(
          (one) => one.doc === doc && one.version === doc.version && one.parent === parent && one.name === name,
        );
      const { base } = doc.node;
      const isAt = doc.node.parent === parent && doc.node.name === name;
      if (isAt) return false;
      // Ours left this place and will vacate it, unless a conflict makes it stay.
      return doc.node.stale || base?.parent !== parent || base.name !== name;
    });
  }

  /** Whether it does not matter what of the pending changes has gone up when somebody makes the next one. */
  get isCertain(): boolean {
    return this.#docs.every((doc) => {
      if (!isThere(doc)) return true;
      const base = doc.node?.base ?? [...this.#tree.removed].find((one) => one.doc === doc);
      return base?.version === doc.version && base.name === doc.name && base.parent === doc.parent?.node;
    });
  }

  /** Whether the outcome is documented, whatever people here have done since the last drain. */
  allows(change: RemoteChange): boolean {
    if (change.op === 'create') {
      const { parent, name, type } = change;
      const isRemoved = [...this.#tree.removed].some((one) => one.doc === parent);
      if (isRemoved) return this.#canComeBack(parent) && !this.#named(parent, name);
      if (!parent.node || this.#named(parent, name)) return false;
      const here = parent.node.children.get(name);
      return !here || (here.type === type && !here.base);
    }
    const { doc } = change;
    const { node } = doc;
    const removed = [...this.#tree.removed].find((one) => one.doc === doc);
    if (!node && !removed) return false;
    if (node && (node.writers > 0 || (node.unsure && !node.dirty))) return false;
    if (change.op === 'update')
      return (
        doc.type === 'file' &&
        (node ? !(node.moved && node.base!.parent.children.has(node.base!.name)) : this.#canComeBack(doc))
      );
    if (change.op === 'delete') return this.#mayGo(doc);
    const { parent, name } = change;
    if (!parent.node || this.#named(parent, name) || parent.node.children.has(name)) return false;
    if (docWithin(parent, doc) || (node && isWithin(parent.node, node))) return false;
    // It goes with its folder, or stays where somebody moved it: which, depends on who is first.
    if (removed)
      return (
        removed.parent.base !== undefined && isThere(removed.parent.base.doc) && removed.parent.parent !== undefined
      );
    const { folder, name: own } = this.#together(node!, parent.node, name);
    const other = folder.children.get(own);
    const isFree = !folder.base || !this.#named(folder.base.doc, own, doc);
    return (!other || other === node) && isFree && !this.isContested(folder, own);
  }

  apply(change: RemoteChange): Doc {
    if (change.op === 'create') {
      const doc = this.#add(change.type, change.name, change.parent);
      doc.bytes = Buffer.from(change.text);
      this.#comeBack(change.parent);
      return doc;
    }
    const { doc } = change;
    const { node } = doc;
    if (change.op === 'update') {
      doc.bytes = Buffer.from(change.text);
      doc.version++;
      doc.added.least++;
      doc.added.most++;
      if (node) this.#tree.settled(node);
      else this.#comeBack(doc);
    } else if (change.op === 'delete') {
      for (const one of this.#docs) if (isThere(one) && docWithin(one, doc)) this.#gone(one);
    } else {
      doc.parent = change.parent;
      doc.name = change.name;
      if (node) this.#moved(node, change.parent.node!, change.name);
      this.reveal();
    }
    return doc;
  }

  /** What was deleted here of a document and the folders that it is in. */
  #removedAround(doc: Doc): Removed[] {
    return [...this.#tree.removed].filter((one) => docWithin(doc, one.doc));
  }

  /** Whether nothing took the place of what would show again; what was replaced shows once its successor went up. */
  #canComeBack(doc: Doc): boolean {
    return this.#removedAround(doc).every(({ parent, name, replaced, doc: one }) => {
      const place = one.parent?.node;
      return !replaced && !parent.children.has(name) && !place?.children.has(one.name);
    });
  }

  /** Somebody else changed what was deleted here: it shows again, in the folders that it was in. */
  #comeBack(doc: Doc): void {
    for (const one of this.#removedAround(doc)) this.#tree.removed.delete(one);
    for (let at: Doc | undefined = doc; at; at = at.parent) this.reveal();
  }

  /** What goes of what was deleted here: what nobody else has changed, and folders in which nothing else is. */
  #going(): Removed[] {
    const going = [...this.#tree.removed].filter(
      ({ type, doc, version }) => type === 'folder' || doc.version === version,
    );
    for (let before = -1; before !== going.length; ) {
      before = going.length;
      const goes = (doc: Doc): boolean => going.some((one) => one.doc === doc);
      const keeps = going.findIndex(
        ({ type, doc }) =>
          type === 'folder' &&
          this.#docs.some((one) => one !== doc && isThere(one) && !one.node && docWithin(one, doc) && !goes(one)),
      );
      if (keeps >= 0) going.splice(keeps, 1);
    }
    return going;
  }

  /** Where an item is that was moved at the server: folder and name go one by one to who changed them here. */
  #together(node: Node, folder: Node, name: string): { readonly folder: Node; readonly name: string } {
    const { base } = node;
    return {
      folder: base!.parent === node.parent ? folder : node.parent!,
      name: base!.name === node.name ? name : node.name,
    };
  }

  #moved(node: Node, folder: Node, name: string): void {
    const to = this.#together(node, folder, name);
    putAt(node, to.folder, to.name);
    node.base = { ...node.base!, parent: folder, name };
  }

  /** What was hidden by something of the same name shows once that is gone. */
  reveal(): void {
    for (const doc of this.#docs) {
      if (doc.node || !isThere(doc) || !doc.parent?.node || [...this.#tree.removed].some((one) => one.doc === doc))
        continue;
      if (doc.parent.node.children.has(doc.name)) continue;
      place(nodeOf(doc), doc, doc.parent.node);
    }
  }

  /** Everything that was done here reaches the server. */
  sync(): void {
    const tree = this.#tree;
    for (const { doc } of this.#going()) this.#gone(doc);
    tree.removed.clear();
    const nodes = tree.all();
    const conflicts = new Set<Node>();
    for (const node of nodes) {
      const { base } = node;
      if (!base) continue;
      const { doc } = base;
      const isOutrun = node.dirty && node.stale;
      if (doc.gone || isOutrun) {
        // Somebody was faster: the document is as they left it, and ours becomes another one.
        if (isOutrun && !doc.gone) conflicts.add(node);
        doc.node = undefined;
        node.base = undefined;
        continue;
      }
      if (base.name !== node.name) doc.name = node.name;
      if (node.dirty) {
        doc.bytes = node.content.bytes;
        doc.version++;
        doc.added.least++;
      }
      if (node.dirty || node.unsure) doc.added.most++;
    }
    for (const node of nodes.filter(({ type }) => type === 'folder')) {
      const folder = node.parent!.base!.doc;
      if (node.base) this.#follow(node, folder);
      else this.#adopt(node, this.#hidden(folder, node.name) ?? this.#add('folder', node.name, folder));
    }
    const files = nodes.filter(({ type }) => type === 'file');
    for (const node of files) if (node.base) this.#follow(node, node.parent!.base!.doc);
    for (const node of files.filter(({ base }) => !base)) {
      const folder = node.parent!.base!.doc;
      const isTaken = conflicts.has(node) || this.#named(folder, node.name);
      // Until it is seen at the server its name has a time that nobody knows.
      const doc = this.#add('file', isTaken ? `${node.name} (conflict ${this.#docs.length})` : node.name, folder);
      if (isTaken) doc.conflictOf = node.name;
      doc.bytes = node.content.bytes;
      doc.added.most = 1;
      this.#adopt(node, doc);
    }
    this.#rebuild();
  }

  #follow(node: Node, folder: Doc): void {
    if (node.base!.parent !== node.parent) node.base!.doc.parent = folder;
  }

  #adopt(node: Node, doc: Doc): void {
    doc.node = node;
    node.base = { doc, parent: node.parent!, name: node.name, version: doc.version };
  }

  /** The tree here becomes what the server has; open handles keep what they have. */
  #rebuild(): void {
    this.#docs = this.#docs.filter((doc) => isThere(doc));
    for (const doc of [this.root, ...this.#docs]) doc.node?.children.clear();
    for (const doc of this.docs()) {
      const node = doc.node ?? nodeOf(doc);
      if (node.content.bytes !== doc.bytes && doc.type === 'file') {
        node.content = { bytes: doc.bytes };
        node.mode = node.mtime = undefined;
      }
      if (doc.conflictOf !== undefined) node.mode = node.mtime = undefined;
      place(node, doc, doc.parent!.node!);
      node.dirty = node.unsure = false;
    }
  }

  /** The server's name of a conflict's copy became known. */
  rename(doc: Doc, name: string): void {
    doc.conflictOf = undefined;
    doc.name = name;
    if (doc.node) place(doc.node, doc, doc.node.parent!);
  }

  #mayGo(doc: Doc): boolean {
    const below = this.#docs.filter((one) => isThere(one) && docWithin(one, doc));
    return below.every((one) => {
      const { node } = one;
      if (!node) return [...this.#tree.removed].some((removed) => removed.doc === one);
      if (node.writers > 0 || (node.unsure && !node.dirty)) return false;
      if (doc.type === 'folder')
        return (
          (one === doc ? !node.dirty : !node.pending) &&
          [...node.children.values()].every(
            // What was written to a document that is gone waits here to go up as a new one.
            (child) =>
              child.base !== undefined &&
              isThere(child.base.doc) &&
              isWithin(child, doc.node!) &&
              docWithin(child.base.doc, doc),
          )
        );
      return true;
    });
  }

  #gone(doc: Doc): void {
    doc.gone = true;
    const { node } = doc;
    // What was only moved here goes as well: its content is the server's.
    if (!node || node.dirty) return;
    node.parent?.children.delete(node.name);
    node.parent = undefined;
    doc.node = undefined;
  }

  /** What somebody else made under a name that was taken here. */
  #hidden(parent: Doc, name: string): Doc | undefined {
    return this.#docs.find((doc) => isThere(doc) && doc.parent === parent && doc.name === name && !doc.node);
  }

  #named(parent: Doc, name: string, except?: Doc): boolean {
    return this.#docs.some((doc) => doc !== except && isThere(doc) && doc.parent === parent && doc.name === name);
  }

  #add(type: 'file' | 'folder', name: string, parent: Doc): Doc {
    const doc = new Doc(type, name, parent);
    this.#docs.push(doc);
    return doc;
  }
}

function isThere(doc: Doc): boolean {
  for (let at: Doc | undefined = doc; at; at = at.parent) if (at.gone) return false;
  return true;
}

function nodeOf(doc: Doc): Node {
  const node = new Node(doc.type, doc.name, undefined);
  node.content = { bytes: doc.bytes };
  doc.node = node;
  return node;
}

/** As at the server: nothing about it is pending. */
function place(node: Node, doc: Doc, parent: Node): void {
  putAt(node, parent, doc.name);
  node.base = { doc, parent, name: doc.name, version: doc.version };
}

function putAt(node: Node, parent: Node, name: string): void {
  if (node.parent !== parent || node.name !== name) {
    if (node.parent?.children.get(node.name) === node) node.parent.children.delete(node.name);
    if (node.parent) node.parent.mtime = undefined;
    parent.mtime = undefined;
  }
  node.parent = parent;
  node.name = name;
  parent.children.set(name, node);
}
