import { type NodeId, ROOT_NODE } from '#src/base/ids.js';
import type { Entry } from '#src/fuse/filesystem.js';
import type { Scenario } from '../scenarios/scenarios.js';
import { context, Files, type OpenProject, openProject } from '../support/project.js';
import type { Admin } from '../support/simulator.js';
import type { ModelPlace } from './compare.js';
import { HOUR } from './mount.js';
import type { ModelScene, Pace } from './run.js';
import type { Flags, How, Stat } from './tree.js';

const OPTIONS = { racing: {}, waiting: { settle: 3_600_000, deleteDelay: 3_600_000 } } as const;
const WRITE_ONLY = 0o1;
const TRUNCATE = 0o1000;
const FOLDER = 0o040000;
const TYPE = 0o170000;

interface OpenedFile {
  readonly node: NodeId;
  readonly handle: number;
  readonly flags: Flags;
}

const fail = (errno: string): Error => Object.assign(new Error(errno), { errno });
const isFolder = ({ attributes }: Entry): boolean => (attributes.mode & TYPE) === FOLDER;

/** The file system without a kernel: what the kernel does itself is done here. */
class InsidePlace implements ModelPlace {
  readonly #project: () => OpenProject;
  readonly #top: string;
  readonly #handles: OpenedFile[] = [];

  constructor(project: () => OpenProject, top: string) {
    this.#project = project;
    this.#top = top;
  }

  get #fs() {
    return this.#project().fileSystem;
  }

  get #files(): Files {
    return new Files(this.#fs);
  }

  async read(path: string): Promise<Buffer> {
    const { node, attributes } = await this.#file(path);
    const { handle } = await this.#fs.open(node, 0, context);
    try {
      return Buffer.from((await this.#fs.read(node, handle, 0, attributes.size, context)).bytes);
    } finally {
      this.#fs.release(node, handle);
    }
  }

  async list(path: string): Promise<string[]> {
    if (!isFolder(await this.#entry(path))) throw fail('ENOTDIR');
    return this.#files.list(this.#at(path));
  }

  async stat(path: string, wanted: Stat): Promise<Stat> {
    const entry = await this.#entry(path);
    const { size, mode, mtime } = entry.attributes;
    return {
      type: isFolder(entry) ? 'folder' : 'file',
      size: isFolder(entry) ? undefined : size,
      mode: wanted.mode === undefined ? undefined : mode & 0o777,
      mtime: wanted.mtime === undefined ? undefined : mtime,
    };
  }

  async write(path: string, text: string, how: How): Promise<void> {
    const n = this.#handles.length;
    const flags = { read: false, write: true, create: true, exclusive: false };
    await this.open(path, { ...flags, append: how === 'append', truncate: how === 'replace' });
    try {
      if (text !== '') await this.writeHandle(n, typeof how === 'number' ? how : 0, text);
    } finally {
      await this.close(n);
    }
  }

  async truncate(path: string, size: number): Promise<void> {
    const { node } = await this.#file(path);
    await this.#fs.writable.setattr(node, { size }, undefined, context);
  }

  async open(path: string, flags: Flags): Promise<void> {
    const [parent, name] = await this.#place(path);
    const found = await this.#fs.lookup(parent, name, context);
    const known = found.node === undefined ? undefined : found;
    if (known && flags.create && flags.exclusive) throw fail('EEXIST');
    if (known && isFolder(known)) throw fail('EISDIR');
    if (!known && !flags.create) throw fail('ENOENT');
    const way = (flags.write ? WRITE_ONLY : 0) | (flags.truncate ? TRUNCATE : 0);
    if (known)
      this.#handles.push({ node: known.node, flags, handle: (await this.#fs.open(known.node, way, context)).handle });
    else {
      const { entry, file } = await this.#fs.writable.create(parent, name, 0o644, way, context);
      this.#handles.push({ node: entry.node, flags, handle: file.handle });
    }
  }

  async readHandle(n: number, offset: number, length: number): Promise<Buffer> {
    const { node, handle, flags } = this.#handles[n]!;
    if (!flags.read) throw fail('EBADF');
    return Buffer.from((await this.#fs.read(node, handle, offset, length, context)).bytes);
  }

  async writeHandle(n: number, offset: number, text: string): Promise<void> {
    const { node, handle, flags } = this.#handles[n]!;
    if (!flags.write) throw fail('EBADF');
    const at = flags.append ? await this.sizeOfHandle(n) : offset;
    await this.#fs.writable.write(node, handle, at, Buffer.from(text), context);
  }

  async truncateHandle(n: number, size: number): Promise<void> {
    const { node, handle, flags } = this.#handles[n]!;
    if (!flags.write) throw fail('EINVAL');
    await this.#fs.writable.setattr(node, { size }, handle, context);
  }

  async syncHandle(n: number): Promise<void> {
    const { node, handle } = this.#handles[n]!;
    await this.#fs.writable.fsync(node, handle, false, context);
  }

  async sizeOfHandle(n: number): Promise<number> {
    return (await this.#fs.getattr(this.#handles[n]!.node, undefined, context)).attributes.size;
  }

  async chmodHandle(n: number, mode: number): Promise<void> {
    const { node, handle } = this.#handles[n]!;
    await this.#fs.writable.setattr(node, { mode }, handle, context);
  }

  async utimensHandle(n: number, mtime: number): Promise<void> {
    const { node, handle } = this.#handles[n]!;
    await this.#fs.writable.setattr(node, { mtime }, handle, context);
  }

  async close(n: number): Promise<void> {
    const [open] = this.#handles.splice(n, 1);
    await this.#fs.writable.flush(open!.node, open!.handle, context);
    this.#fs.release(open!.node, open!.handle);
  }

  async chmod(path: string, mode: number): Promise<void> {
    const { node } = await this.#entry(path);
    await this.#fs.writable.setattr(node, { mode }, undefined, context);
  }

  async utimens(path: string, mtime: number): Promise<void> {
    const { node } = await this.#entry(path);
    await this.#fs.writable.setattr(node, { mtime }, undefined, context);
  }

  mkdir(path: string): Promise<void> {
    return this.#files.mkdir(this.#at(path));
  }

  unlink(path: string): Promise<void> {
    return this.#files.unlink(this.#at(path));
  }

  rmdir(path: string): Promise<void> {
    return this.#files.rmdir(this.#at(path));
  }

  async rename(from: string, to: string): Promise<void> {
    const [parent, name] = await this.#place(from);
    const [newParent, newName] = await this.#place(to);
    await this.#entry(from);
    if (to.startsWith(`${from}/`)) throw fail('EINVAL');
    if (from.startsWith(`${to}/`)) throw fail('ENOTEMPTY');
    if (from !== to) await this.#fs.writable.rename(parent, name, newParent, newName, true, context);
  }

  #at(path: string): string {
    return path === '' ? this.#top : `${this.#top}/${path}`;
  }

  #entry(path: string): Promise<Entry> {
    return this.#files.entry(this.#at(path));
  }

  async #file(path: string): Promise<Entry> {
    const entry = await this.#entry(path);
    if (isFolder(entry)) throw fail('EISDIR');
    return entry;
  }

  async #place(path: string): Promise<[NodeId, string]> {
    const at = path.lastIndexOf('/');
    const parent = await this.#entry(at < 0 ? '' : path.slice(0, at));
    if (!isFolder(parent)) throw fail('ENOTDIR');
    return [parent.node, path.slice(at + 1)];
  }
}

/** A project in this process. */
export class InsideScene implements ModelScene {
  readonly pace: Pace;
  readonly counts: Record<string, number>;
  #project: OpenProject;
  #end = new AbortController();

  private constructor(project: OpenProject, pace: Pace, counts: Record<string, number>) {
    this.#project = project;
    this.pace = pace;
    this.counts = counts;
  }

  static async open(t: Scenario, pace: Pace, counts: Record<string, number>): Promise<InsideScene> {
    return new InsideScene(
      await openProject(t, { hour: HOUR }, OPTIONS[pace], { hour: HOUR * 1000, spike: 10_000 }),
      pace,
      counts,
    );
  }

  get admin(): Admin {
    return this.#project.simulator.admin;
  }

  async folder(name: string): Promise<InsidePlace> {
    await this.#project.fileSystem.writable.mkdir(ROOT_NODE, name, 0o755, context);
    return new InsidePlace(() => this.#project, name);
  }

  drain(): Promise<readonly unknown[]> {
    return this.#project.project.scheduler.drain(this.#end.signal);
  }

  polled(): Promise<void> {
    return this.#project.project.mirror.pollNow(new AbortController().signal);
  }

  async unmount(): Promise<void> {
    await this.drain();
    await this.kill();
  }

  async kill(): Promise<void> {
    this.#end.abort();
    this.#end = new AbortController();
    this.#project = await this.#project.reopen();
  }
}
