import { createHash } from 'node:crypto';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import type { Admin, TreeEntry } from '../support/simulator.js';
import { compare, type ModelPlace } from './compare.js';
import { type Doc, pathOf } from './nodes.js';
import type { LocalStep, RemoteStep, Step } from './operations.js';
import { ModelServer, type RemoteChange } from './server.js';
import { ModelTree } from './tree.js';

/** `racing`: changes go up while people go on. `waiting`: nothing goes up but with a drain, so that conflicts are sure. */
export type Pace = 'racing' | 'waiting';
/** The last one of a name: what was in conflict can be so again. */
const CONFLICT = / \(conflict [^()]+ \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)(?!.* \(conflict )/;

/** A project that somebody works on, and its server. */
export interface ModelScene {
  readonly admin: Admin;
  readonly pace: Pace;
  readonly counts: Record<string, number>;
  /** Makes a folder in the project's root. */
  folder(name: string): Promise<ModelPlace>;
  /** Everything goes up; resolves with what is left. */
  drain(): Promise<readonly unknown[]>;
  /** Resolves when what the server has by now shows. */
  polled(): Promise<void>;
  /** The daemon ends in peace, after everything went up, and begins anew. */
  unmount(): Promise<void>;
  /** It ends at once, with what waits, and begins anew; files that are open are lost to who opened them. */
  kill(): Promise<void>;
}

/** One sequence of steps, in a folder of its own. */
export class ModelRun {
  readonly #scene: ModelScene;
  readonly #top: string;
  readonly #tree: ModelTree;
  readonly #server: ModelServer;
  #place: ModelPlace | undefined;
  #draining: Promise<unknown> | undefined;
  /** What has gone up is not known: neither are identities, until everything has. */
  #isUnsure = false;
  /** For the reader of a failure. */
  readonly done: string[] = [];

  constructor(scene: ModelScene, top: string) {
    this.#scene = scene;
    this.#top = top;
    this.#tree = new ModelTree(top.length + 1);
    this.#server = new ModelServer(this.#tree);
    this.#isUnsure = scene.pace === 'racing';
  }

  async run(steps: readonly Step[]): Promise<void> {
    this.#place = await this.#scene.folder(this.#top);
    try {
      await this.#sync();
      for (const step of steps) {
        this.done.push(JSON.stringify(step));
        await this.#step(step);
      }
      this.done.push('the end');
      await this.#sync();
    } finally {
      await this.#draining?.catch(() => undefined);
      await this.#closeHandles(() => true);
    }
    const { admin } = this.#scene;
    await admin.change({ op: 'delete', path: this.#top });
  }

  /** What the model has. */
  tree(): string {
    return this.#tree
      .all()
      .map((node) => `${pathOf(node)}${node.type === 'folder' ? '/' : ''}`)
      .join(' ');
  }

  async #step(step: Step): Promise<void> {
    const { counts } = this.#scene;
    switch (step.op) {
      case 'remote':
        if (await this.#remote(step)) count(counts, `remote ${step.change}`);
        return;
      case 'drain':
        count(counts, step.op);
        return this.#sync();
      case 'drain-begin':
        count(counts, step.op);
        if (!this.#server.isCertain) return this.#sync();
        this.#draining ??= this.#scene.drain();
        this.#draining.catch(() => undefined);
        this.#isUnsure = true;
        return;
      case 'unmount':
        count(counts, step.op);
        await this.#closeHandles(() => true);
        await this.#draining;
        await this.#scene.unmount();
        return this.#sync();
      case 'kill':
        count(counts, step.op);
        await this.#closeHandles(({ flags }) => flags.write);
        await this.#scene.kill();
        this.#draining = undefined;
        return this.#closeHandles(() => true);
      default:
        if (!this.#isDefined(step)) return;
        count(counts, step.op);
        count(counts, 'operations');
        await compare(step, this.#place!, this.#tree);
        this.#server.reveal();
    }
  }

  /** Whether it is documented what becomes of it in the end. */
  #isDefined(step: LocalStep): boolean {
    if (!('path' in step)) return true;
    const to = step.op === 'rename' ? step.to : step.path;
    const at = to.lastIndexOf('/');
    try {
      const parent = this.#tree.get(at < 0 ? '' : to.slice(0, at));
      const name = to.slice(at + 1);
      const other = this.#server.isContested(parent, name);
      if (!other) return true;
      if (step.op === 'rename') return false;
      if (parent.children.has(name)) return true;
      return step.op !== 'mkdir' && !(other.type === 'folder' && (step.op === 'write' || step.op === 'open'));
    } catch {
      return true;
    }
  }

  async #remote(step: RemoteStep): Promise<boolean> {
    if (this.#isUnsure) await this.#sync();
    const server = this.#server;
    // What waits here is where it can come to a conflict.
    const pending = server.docs().filter(({ node }) => !node || node.pending);
    const docs = step.item % 2 === 0 && pending.length > 0 ? pending : server.docs();
    const folders = server.folders();
    const folder = folders[step.folder % folders.length]!;
    const doc = docs[(step.item >> 1) % Math.max(1, docs.length)];
    const { name, text } = step;
    let change: RemoteChange;
    if (step.change === 'create')
      change = { op: 'create', parent: folder, name, type: step.isFolder ? 'folder' : 'file', text };
    else if (!doc) return false;
    else if (step.change === 'move') change = { op: 'move', doc, parent: folder, name };
    else change = step.change === 'update' ? { op: 'update', doc, text } : { op: 'delete', doc };
    if (!server.allows(change)) return false;
    const sent = this.#toServer(change);
    this.done.push(`${JSON.stringify(sent)} of ${change.op === 'create' ? change.name : pathOf(change.doc)}`);
    const answer = await this.#scene.admin.change(sent);
    const changed = server.apply(change);
    changed.id ??= answer.id;
    await this.#scene.polled();
    return true;
  }

  #toServer(change: RemoteChange): AdminChange {
    const at = (path: string): string => this.#pathHere(path);
    if (change.op === 'create') {
      const { type, name, text: content } = change;
      return { op: 'create', type, parent: at(pathOf(change.parent)), name, ...(type === 'file' ? { content } : {}) };
    }
    const { id } = change.doc;
    if (id === undefined) throw new Error(`${pathOf(change.doc)} has no id`);
    if (change.op === 'update') return { op: 'update', id, content: change.text };
    if (change.op === 'delete') return { op: 'delete', id };
    if (change.parent === change.doc.parent) return { op: 'rename', id, to: change.name };
    return { op: 'move', id, to: `${at(pathOf(change.parent))}/${change.name}` };
  }

  #pathHere(path: string): string {
    return path === '' ? this.#top : `${this.#top}/${path}`;
  }

  /** Everything goes up; then the server, the mount and the model are the same. */
  async #sync(): Promise<void> {
    await this.#closeHandles(({ flags }) => flags.write);
    await this.#draining;
    this.#draining = undefined;
    const left = await this.#scene.drain();
    if (left.length > 0) throw new Error(`left after a drain: ${JSON.stringify(left)}`);
    this.#server.sync();
    await this.#compareServer();
    await this.#compareMount();
    this.#isUnsure = this.#scene.pace === 'racing';
  }

  async #compareServer(): Promise<void> {
    const found = new Map<string, TreeEntry>();
    for (const entry of await this.#scene.admin.tree())
      if (entry.path.startsWith(`${this.#top}/`)) found.set(entry.path.slice(this.#top.length + 1), entry);
    const wrong: string[] = [];
    for (const doc of this.#server.docs()) {
      const sum = createHash('sha256').update(doc.bytes).digest('hex');
      if (doc.conflictOf !== undefined) {
        const entry = [...found.values()].find(
          (one) => isConflictOf(one, this.#pathHere(originalPath(doc))) && one.sha256 === sum,
        );
        if (entry) this.#server.rename(doc, entry.path.slice(entry.path.lastIndexOf('/') + 1));
        count(this.#scene.counts, 'conflicts');
      }
      const path = pathOf(doc);
      const entry = found.get(path);
      found.delete(path);
      if (!entry) wrong.push(`the server lacks ${doc.type} ${path}`);
      else if (entry.type !== doc.type) wrong.push(`${path} is a ${entry.type}`);
      else {
        if (doc.type === 'file' && entry.sha256 !== sum)
          wrong.push(`${path} differs: ${entry.size} bytes, not ${doc.bytes.length}`);
        const isKnown = !this.#isUnsure && doc.id !== undefined;
        if (isKnown && doc.id !== entry.id) wrong.push(`${path} is another document`);
        const more = entry.versions - doc.versions;
        if (isKnown && doc.type === 'file' && doc.versions > 0 && (more < doc.added.least || more > doc.added.most))
          wrong.push(`${path} has ${more} more versions, not ${doc.added.least}–${doc.added.most}`);
        doc.id = entry.id;
        doc.versions = entry.versions;
        doc.added = { least: 0, most: 0 };
      }
    }
    for (const path of found.keys()) wrong.push(`the server has ${path} as well`);
    if (wrong.length > 0) throw new Error(`at the server: ${wrong.join('; ')}`);
  }

  async #compareMount(): Promise<void> {
    const place = this.#place!;
    const check = async (path: string): Promise<void> => {
      await compare({ op: 'stat', path }, place, this.#tree);
      const { type } = this.#tree.get(path);
      await compare({ op: type === 'file' ? 'read' : 'list', path }, place, this.#tree);
    };
    await check('');
    for (const node of this.#tree.all()) await check(pathOf(node));
  }

  async #closeHandles(which: (handle: ModelTree['handles'][number]) => boolean): Promise<void> {
    for (let n = this.#tree.handles.length - 1; n >= 0; n--) {
      if (!which(this.#tree.handles[n]!)) continue;
      this.#tree.close(n);
      // Of a daemon that was killed nothing is left to be closed.
      await this.#place!.close(n).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTCONN') throw error;
      });
    }
  }
}

/** Of the file that was in conflict. */
function originalPath(doc: Doc): string {
  const path = pathOf(doc);
  return `${path.slice(0, path.lastIndexOf('/') + 1)}${doc.conflictOf}`;
}

/** `stem (conflict …).ext` beside `stem.ext` */
function isConflictOf({ path }: TreeEntry, original: string): boolean {
  return CONFLICT.test(path) && path.replace(CONFLICT, '') === original;
}

function count(counts: Record<string, number>, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}
