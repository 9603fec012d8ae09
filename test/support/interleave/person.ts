import { readFileSync } from 'node:fs';
import { type Inode, type NodeId, ROOT_INODE } from '#src/base/ids.js';
import { type LocalItem, versionOf } from '#src/outbox/tree/tree.js';
import type { WorkingFile } from '#src/outbox/working/working-file.js';
import { context } from '../project.js';
import type { Witness } from '../witness.js';
import type { HeldProject } from './held-project.js';

const O_WRONLY_TRUNC = 0o1001;
const O_WRONLY_CREAT = 0o101;

/** What a person does at the mount: sees what it shows, and changes that. One thing at a time. */
export class Person {
  readonly #place: () => HeldProject;
  readonly #witness: Witness;
  /** The content of a version at the server. */
  readonly #ofVersion: (id: number) => string | undefined;
  /** What is still to be done of something that takes several calls. */
  readonly #next: (() => Promise<void>)[] = [];
  #open:
    | { readonly node: NodeId; readonly handle: number; readonly path: string; readonly file: WorkingFile | undefined }
    | undefined;

  constructor(place: () => HeldProject, witness: Witness, ofVersion: (id: number) => string | undefined) {
    this.#place = place;
    this.#witness = witness;
    this.#ofVersion = ofVersion;
  }

  /** Paths that the mount shows below a folder, with the content of each file; without a call. */
  tree(top: string): Map<string, string | undefined> {
    const found = new Map<string, string | undefined>();
    const folder = this.#item(top);
    const walk = (at: LocalItem, path: string): void => {
      for (const child of this.#place().project.outbox.tree.children(at, 0, 1000)) {
        const own = `${path}/${child.name}`;
        found.set(own, child.isFile ? (this.#content(child) ?? '?') : undefined);
        if (!child.isFile) walk(child, own);
      }
    };
    if (folder) walk(folder, top);
    return found;
  }

  /** Goes on with what was begun. @returns false where there is nothing */
  async goOn(): Promise<boolean> {
    const next = this.#next.shift();
    await next?.();
    return next !== undefined;
  }

  get isInTheMiddle(): boolean {
    return this.#next.length > 0;
  }

  /** A file was opened for writing, and is still. */
  get isWriting(): boolean {
    return this.#open !== undefined;
  }

  /** Whether what is at this path now is the file that is open for writing: it may have been moved since. */
  isOpen(path: string): boolean {
    const file = this.#open?.file;
    return file !== undefined && this.#item(path)?.inode === file.inode;
  }

  /** The daemon is gone, and with it what was open and what was begun. */
  interrupted(): void {
    this.#next.length = 0;
    this.#open = undefined;
  }

  async write(path: string): Promise<void> {
    const content = this.#witness.fresh('ours');
    const before = this.shown(path);
    await this.#files.write(path, content);
    this.#witness.gaveUp(before, `saved ${path} here`);
    this.#witness.wrote(content, `saved ${path} here`);
  }

  async append(path: string): Promise<void> {
    const before = this.shown(path);
    if (before === undefined) return;
    const more = this.#witness.fresh('more');
    await this.#files.write(path, more, 'append');
    this.#witness.gaveUp(before, `appended to ${path} here`);
    this.#witness.wrote(before + more, `appended to ${path} here`);
  }

  /** Opens a file for writing, and writes to it later. */
  async open(path: string): Promise<void> {
    const { fileSystem } = this.#place();
    const before = this.shown(path);
    const existing = await this.#files.entry(path).catch(() => undefined);
    if (existing) {
      const { handle } = await fileSystem.open(existing.node, O_WRONLY_TRUNC, context);
      this.#open = { node: existing.node, handle, path, file: this.#working(path) };
    } else {
      const slash = path.lastIndexOf('/');
      const parent = await this.#files.entry(path.slice(0, slash));
      const made = await fileSystem.writable.create(parent.node, path.slice(slash + 1), 0o644, O_WRONLY_CREAT, context);
      this.#open = { node: made.entry.node, handle: made.file.handle, path, file: this.#working(path) };
    }
    this.#witness.gaveUp(before, `opened ${path} here`);
  }

  /** Writes to what is open, and closes it. */
  async close(): Promise<void> {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const { fileSystem } = this.#place();
    const content = this.#witness.fresh('ours');
    await fileSystem.writable.write(open.node, open.handle, 0, Buffer.from(content), context);
    await fileSystem.writable.flush(open.node, open.handle, context);
    const isThere = [...this.tree(open.path.split('/')[0]!).values()].includes(content);
    fileSystem.release(open.node, open.handle);
    // Who unlinked it meanwhile wants none of it.
    if (isThere) this.#witness.wrote(content, `wrote ${open.path} here`);
  }

  async unlink(path: string): Promise<void> {
    const before = this.shown(path);
    await this.#files.unlink(path);
    this.#witness.gaveUp(before, `removed ${path} here`);
  }

  mkdir(path: string): Promise<void> {
    return this.#files.mkdir(path);
  }

  async rename(from: string, to: string): Promise<void> {
    const over = this.shown(to);
    const own = this.shown(from);
    await this.#files.rename(from, to);
    if (over !== own) this.#witness.gaveUp(over, `moved ${from} over ${to} here`);
  }

  read(path: string): Promise<unknown> {
    return this.#files.read(path);
  }

  /** As editors save: a new file, renamed over the old one. */
  save(path: string): void {
    const fresh = `${path.slice(0, path.lastIndexOf('/'))}/new.txt`;
    this.#next.push(
      () => this.write(fresh),
      () => this.rename(fresh, path),
    );
  }

  /** `rm -r`. */
  removeAll(path: string): void {
    const all = [...this.tree(path)].reverse();
    for (const [one, content] of all)
      this.#next.push(() => (content === undefined ? this.#files.rmdir(one) : this.unlink(one)));
    this.#next.push(() => this.#files.rmdir(path));
  }

  /** What the mount shows at a path. */
  shown(path: string): string | undefined {
    const item = this.#item(path);
    return item?.isFile ? this.#content(item) : undefined;
  }

  /** What was written here to an item, wherever it is. */
  contentOf(inode: Inode): string | undefined {
    const { staging } = this.#place().project.outbox;
    const item = this.#place().project.outbox.tree.item(inode);
    if (item) return this.#content(item);
    return staging.has(inode) ? readFileSync(staging.path(inode), 'utf8') : undefined;
  }

  get #files() {
    return this.#place().files;
  }

  #working(path: string): WorkingFile | undefined {
    const item = this.#item(path);
    return item && this.#place().project.outbox.working(item.inode);
  }

  #item(path: string): LocalItem | undefined {
    const { tree } = this.#place().project.outbox;
    let item = tree.item(ROOT_INODE);
    for (const name of path.split('/')) item = item && tree.child(item, name);
    return item;
  }

  #content(item: LocalItem): string | undefined {
    const { staging } = this.#place().project.outbox;
    if (item.intent?.content.staged && staging.has(item.inode)) {
      const bytes = readFileSync(staging.path(item.inode));
      const { gaps } = item.intent.content;
      const base = Buffer.from(gaps ? (this.#ofVersion(gaps.version) ?? '') : '');
      for (let n = 0; n < (gaps?.missing.length ?? 0); n += 2)
        base.copy(bytes, gaps!.missing[n]!, gaps!.missing[n]!, gaps!.missing[n + 1]!);
      return bytes.toString();
    }
    if (item.size === 0) return '';
    return this.#ofVersion(versionOf(item).id);
  }
}
