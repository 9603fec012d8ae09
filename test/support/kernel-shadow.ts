import { isFailure } from '#src/base/errors.js';
import { asNodeId, type NodeId, ROOT_NODE } from '#src/base/ids.js';
import type { Attributes, Entry, Handle, KernelCache, NoEntry } from '#src/fuse/filesystem.js';
import type { Scenario } from '../scenarios/scenarios.js';
import { context, fileSystemOf, type OpenProject, openProject, type WritableProject } from './project.js';
import { randomBy } from './random.js';

/** Seconds: what the kernel may keep no longer is always asked for anew within the time that is promised. */
const SHORT = 1;
/** As often a belief is found untrue, with all told in between. */
const LOOKS = 3;
const RDONLY = 0;
const WRONLY = 1;
const TRUNC = 0o1000;

const plain = (attributes: Attributes): string => JSON.stringify({ ...attributes, atime: 0 });

interface Name {
  readonly parent: NodeId;
  readonly name: string;
  readonly node: NodeId | undefined;
  readonly by: string;
}

/** An answer that the program which asked has, and has not run since. */
interface Late {
  readonly parent: NodeId;
  readonly name: string;
  readonly entry: Entry | NoEntry;
}

/**
 * What a kernel believes of one mount: names, attributes, listings and pages, each for as long as it was told, unless it
 * is told to forget. What goes through the mount itself it knows, as fuse(4) has it.
 */
export class ShadowKernel implements KernelCache {
  readonly canInvalidate = true;
  readonly fs: WritableProject;
  readonly #names = new Map<string, Name>();
  readonly #attributes = new Map<NodeId, { readonly attributes: Attributes; readonly by: string }>();
  readonly #listings = new Map<NodeId, readonly string[]>();
  readonly #pages = new Map<NodeId, Buffer>();
  /** Directories that are being read: handle, cookie and the names so far. */
  readonly #reading = new Map<NodeId, { handle: Handle; cookie: number }>();
  readonly #writing = new Map<NodeId, { handle: Handle; size: number }>();
  readonly #nodes = new Set<NodeId>([asNodeId(ROOT_NODE)]);
  #late: Late[] = [];

  constructor(fs: WritableProject) {
    this.fs = fs;
    fs.mounted(this);
  }

  async invalidateNode(node: NodeId, offset = -1): Promise<boolean> {
    if (!this.#nodes.has(node)) return false;
    this.#attributes.delete(node);
    if (offset < 0) return true;
    this.#listings.delete(node);
    this.#pages.delete(node);
    return true;
  }

  async invalidateEntry(parent: NodeId, name: string): Promise<void> {
    this.#unlocked(parent);
    this.#names.delete(key(parent, name));
    this.#changed(parent);
  }

  /** Who looked up a name in the folder has run, and let go of its lock. */
  #unlocked(folder?: NodeId): void {
    for (const late of this.#late.filter(({ parent }) => folder === undefined || parent === folder)) this.#takeUp(late);
  }

  /** Attributes of a node that is known meanwhile are older than what is known of it. */
  #takeUp(late: Late): void {
    this.#late = this.#late.filter((one) => one !== late);
    const { node } = late.entry;
    const isKnown = node !== undefined && this.#nodes.has(node);
    const believed = isKnown && this.#attributes.get(node);
    this.#put(late.parent, late.name, late.entry, 'late lookup');
    if (!isKnown) return;
    if (believed) this.#attributes.set(node, believed);
    else this.#attributes.delete(node);
  }

  /** fuse_dir_changed(): attributes and listing of a folder in which something was done. */
  #changed(folder: NodeId): void {
    this.#attributes.delete(folder);
    this.#listings.delete(folder);
  }

  #put(parent: NodeId, name: string, entry: Entry | NoEntry, by: string): void {
    if (entry.entryTimeout > SHORT) this.#names.set(key(parent, name), { parent, name, node: entry.node, by });
    else this.#names.delete(key(parent, name));
    if (entry.node !== undefined) this.#attribute(entry, by);
  }

  #attribute(entry: Entry, by: string): void {
    const { node, attributes, attributeTimeout } = entry;
    this.#nodes.add(node);
    if (attributeTimeout > SHORT) this.#attributes.set(node, { attributes, by });
    else this.#attributes.delete(node);
  }

  /** @throws Failure `no-such-item` */
  async lookup(parent: NodeId, name: string): Promise<NodeId> {
    const known = this.#names.get(key(parent, name));
    if (known?.node !== undefined) return known.node;
    const entry = await this.fs.lookup(parent, name, context);
    this.#put(parent, name, entry, 'lookup');
    if (entry.node === undefined) throw new Error('ENOENT');
    return entry.node;
  }

  /** A program looks up a name and does not run for a while. */
  async lookupLate(parent: NodeId, name: string): Promise<void> {
    if (!this.#names.has(key(parent, name)))
      this.#late.push({ parent, name, entry: await this.fs.lookup(parent, name, context) });
  }

  async getattr(node: NodeId): Promise<void> {
    if (this.#attributes.has(node)) return;
    this.#attribute(await this.fs.getattr(node, undefined, context), 'getattr');
  }

  /** Some entries of a folder that is being read, or is read anew. */
  async readSome(folder: NodeId, count: number): Promise<void> {
    let open = this.#reading.get(folder);
    if (!open) {
      open = { handle: (await this.fs.opendir(folder, context)).handle, cookie: 0 };
      this.#reading.set(folder, open);
    }
    const { entries } = await this.fs.readdir(folder, open.handle, open.cookie, 100, context);
    for (const { name, cookie, entry } of entries.slice(0, count)) {
      open.cookie = cookie;
      if (entry) this.#put(folder, name, entry, 'readdirplus');
    }
  }

  rewind(folder: NodeId): void {
    const open = this.#reading.get(folder);
    if (open) open.cookie = 0;
  }

  closeFolder(folder: NodeId): void {
    const open = this.#reading.get(folder);
    if (open) this.fs.releasedir(folder, open.handle);
    this.#reading.delete(folder);
  }

  async list(folder: NodeId): Promise<readonly string[]> {
    const known = this.#listings.get(folder);
    if (known) return known;
    const names = await listed(this.fs, folder);
    this.#listings.set(folder, names);
    return names;
  }

  async read(node: NodeId): Promise<void> {
    if (this.#pages.has(node)) return;
    const opened = await this.fs.open(node, RDONLY, context);
    const cached = opened.backingFd === undefined && opened.keepCache !== false;
    const bytes = Buffer.from((await this.fs.read(node, opened.handle, 0, 100_000, context)).bytes);
    if (cached) this.#pages.set(node, bytes);
    this.fs.release(node, opened.handle);
  }

  async create(folder: NodeId, name: string): Promise<void> {
    this.#unlocked(folder);
    const { entry, file } = await this.fs.writable.create(folder, name, 0o644, 0o301, context);
    this.#put(folder, name, entry, 'create');
    this.#changed(folder);
    this.#writing.set(entry.node, { handle: file.handle, size: 0 });
  }

  async open(node: NodeId, truncate: boolean): Promise<void> {
    if (this.#writing.has(node)) return;
    const { handle } = await this.fs.open(node, truncate ? WRONLY | TRUNC : WRONLY, context);
    this.#forget(node);
    const { attributes } = await this.fs.getattr(node, handle, context);
    this.#writing.set(node, { handle, size: attributes.size });
  }

  async append(node: NodeId, text: string): Promise<void> {
    const open = this.#writing.get(node);
    if (!open) return;
    this.#forget(node);
    await this.fs.writable.write(node, open.handle, open.size, Buffer.from(text), context);
    open.size += text.length;
  }

  /** flush and release, as close(2) does. */
  async close(node: NodeId): Promise<void> {
    const open = this.#writing.get(node);
    if (!open) return;
    this.#writing.delete(node);
    this.#forget(node);
    try {
      await this.fs.writable.flush(node, open.handle, context);
    } finally {
      this.fs.release(node, open.handle);
    }
  }

  async closeAll(): Promise<void> {
    for (const node of [...this.#writing.keys()]) await this.close(node).catch(known);
    for (const folder of [...this.#reading.keys()]) this.closeFolder(folder);
  }

  async truncate(node: NodeId, size: number): Promise<void> {
    this.#forget(node);
    this.#attribute(await this.fs.writable.setattr(node, { size }, undefined, context), 'setattr');
  }

  async touch(node: NodeId, mtime: number): Promise<void> {
    this.#attribute(await this.fs.writable.setattr(node, { mtime }, undefined, context), 'setattr');
  }

  async mkdir(folder: NodeId, name: string): Promise<void> {
    this.#unlocked(folder);
    this.#put(folder, name, await this.fs.writable.mkdir(folder, name, 0o755, context), 'mkdir');
    this.#changed(folder);
  }

  async remove(folder: NodeId, name: string, how: 'unlink' | 'rmdir'): Promise<void> {
    this.#unlocked(folder);
    await this.fs.writable[how](folder, name, context);
    this.#names.delete(key(folder, name));
    this.#changed(folder);
  }

  async rename(folder: NodeId, name: string, to: NodeId, newName: string): Promise<void> {
    const node = await this.lookup(folder, name);
    for (const one of [folder, to]) this.#unlocked(one);
    await this.fs.writable.rename(folder, name, to, newName, true, context);
    const moved = this.#names.get(key(folder, name));
    this.#names.delete(key(folder, name));
    this.#names.delete(key(to, newName));
    if (moved) this.#names.set(key(to, newName), { ...moved, parent: to, name: newName, by: 'rename' });
    for (const one of [folder, to]) this.#changed(one);
    this.#attributes.delete(node);
  }

  #forget(node: NodeId): void {
    this.#attributes.delete(node);
    this.#pages.delete(node);
  }

  /** As after a remount. */
  forgetAll(): void {
    for (const all of [this.#names, this.#attributes, this.#listings, this.#pages, this.#nodes]) all.clear();
    this.#nodes.add(asNodeId(ROOT_NODE));
    this.#late = [];
  }

  /** What it still believes that is not so. */
  async *untruths(): AsyncGenerator<string> {
    await this.fs.told();
    this.#unlocked();
    for (const one of [...this.#names.values()]) {
      const is = await there(() => this.fs.lookup(one.parent, one.name, context));
      if (is && is.node !== one.node && this.#names.get(key(one.parent, one.name)) === one)
        yield `name ${one.name} by ${one.by}: it has node ${one.node}, and it is ${is.node}`;
    }
    for (const [node, { attributes, by }] of [...this.#attributes]) {
      const is = await there(() => this.fs.getattr(node, undefined, context));
      if (is && plain(is.attributes) !== plain(attributes))
        yield `attributes of node ${node} by ${by}: it has ${plain(attributes)}, and they are ${plain(is.attributes)}`;
    }
    for (const [node, names] of [...this.#listings]) {
      const is = await there(() => listed(this.fs, node));
      if (is && is.join('/') !== names.join('/')) yield `listing of node ${node}: it has ${names}, and it is ${is}`;
    }
    for (const [node, bytes] of [...this.#pages]) {
      const is = await there(() => contentOf(this.fs, node));
      if (is && !is.equals(bytes)) yield `pages of node ${node}: it has ${bytes}, and they are ${is}`;
    }
  }
}

const key = (parent: NodeId, name: string): string => `${parent}\0${name}`;

async function there<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    known(error);
    return undefined;
  }
}

/** What a program is told that comes too late. */
function known(error: unknown): void {
  if (!isFailure(error) && (error as Error).message !== 'ENOENT') throw error;
}

async function listed(fs: WritableProject, folder: NodeId): Promise<readonly string[]> {
  const { handle } = await fs.opendir(folder, context);
  const names: string[] = [];
  for (let cookie = 0, end = false; !end; ) {
    const page = await fs.readdir(folder, handle, cookie, 3, context);
    names.push(...page.entries.map(({ name }) => name));
    cookie = page.entries.at(-1)?.cookie ?? cookie;
    end = page.end || page.entries.length === 0;
  }
  fs.releasedir(folder, handle);
  return names;
}

async function contentOf(fs: WritableProject, node: NodeId): Promise<Buffer> {
  const { handle } = await fs.open(node, RDONLY, context);
  try {
    return Buffer.from((await fs.read(node, handle, 0, 100_000, context)).bytes);
  } finally {
    fs.release(node, handle);
  }
}

const NAMES = Array.from({ length: 8 }, (_, n) => `f${n}`);

/**
 * People at two mounts of a project and a colleague at the server: after each quiet moment what the kernel still believes
 * of a mount is what the mount would answer.
 *
 * @param seeds of rounds of 40 steps each
 */
export async function kernelShadow(t: Scenario, seeds: readonly number[]): Promise<void> {
  const opened = await openProject(
    t,
    { hour: 20 },
    { settle: 3_600_000, deleteDelay: 3_600_000 },
    { hour: 20_000, spike: 10_000 },
  );
  const { admin } = opened.simulator;
  const mounts = [1, 2].map(() => new ShadowKernel(fileSystemOf(opened.project)));
  t.teardown(() => {
    for (const { fs } of mounts) fs.destroy();
  });
  const poll = () => opened.project.mirror.pollNow(new AbortController().signal);
  for (const seed of seeds) {
    const random = randomBy(seed);
    const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
    const log: string[] = [];
    const top = `round ${seed}`;
    await admin.changes([
      { op: 'create', path: top, type: 'folder' },
      { op: 'create', path: `${top}/sub`, type: 'folder' },
      ...NAMES.slice(0, 5).map((name) => ({ op: 'create', path: `${top}/${name}`, content: name })),
    ]);
    await poll();
    const untruth = async (): Promise<string | undefined> => {
      for (const [n, mount] of mounts.entries())
        for await (const what of mount.untruths()) return `mount ${n}: ${what}`;
      return undefined;
    };
    // The project looks by itself as well, and its thread has written down what is told here a moment later. What nobody
    // tells is believed again and again.
    const wrong = async (): Promise<string | undefined> => {
      let found = await untruth();
      for (let again = 0; found !== undefined && again < LOOKS; again++) {
        await opened.project.mirror.store.numbers();
        const now = await untruth();
        if (now !== found) again = -1;
        found = now;
      }
      return found;
    };
    let found: string | undefined;
    for (let step = 0; step < 40 && !found; step++) {
      const mount = pick(mounts);
      const name = pick(NAMES);
      const deed = pick(DEEDS);
      log.push(`${mounts.indexOf(mount)} ${deed} ${name}`);
      try {
        const folder = await mount.lookup(ROOT_NODE, top);
        if (deed === 'colleague') await colleague(pick, admin, `${top}/${name}`, step);
        else if (deed === 'compare') {
          await poll();
          found = await wrong();
        } else await act(deed, mount, folder, name, pick, step);
      } catch (error) {
        log.push(`  ${String(error).slice(0, 80)}`);
        if (!isFailure(error) && !/ ENOENT$|: 4\d\d /.test(String(error))) found = String((error as Error).stack);
      }
    }
    try {
      for (const mount of mounts) await mount.closeAll();
      await poll();
      found ??= await wrong();
    } catch (error) {
      found ??= String((error as Error).stack);
    }
    for (const mount of mounts) mount.forgetAll();
    if (found) for (const line of log) t.comment(line);
    t.equal(found ?? '', '', `seed ${seed}`);
    await admin.change({ op: 'delete', path: top }).catch(() => undefined);
  }
}

const DEEDS = [
  ...[
    'list some',
    'list some',
    'rewind',
    'close folder',
    'list',
    'lookup',
    'lookup',
    'lookup late',
    'lookup late',
    'lookup late',
    'getattr',
    'root',
    'read',
    'read',
  ],
  ...['create', 'open', 'append', 'append', 'close', 'truncate', 'touch', 'mkdir', 'unlink', 'rename', 'rename'],
  ...['colleague', 'colleague', 'colleague', 'compare', 'compare'],
] as const;
type Deed = (typeof DEEDS)[number];

async function act(
  deed: Deed,
  mount: ShadowKernel,
  folder: NodeId,
  name: string,
  pick: <T>(of: readonly T[]) => T,
  step: number,
): Promise<void> {
  const file = (): Promise<NodeId> => mount.lookup(folder, name);
  switch (deed) {
    case 'list some':
      return mount.readSome(folder, 3);
    case 'rewind':
      return mount.rewind(folder);
    case 'close folder':
      return mount.closeFolder(folder);
    case 'list':
      await mount.list(folder);
      return;
    case 'lookup':
      await file();
      return;
    case 'lookup late':
      return mount.lookupLate(folder, name);
    case 'getattr':
      return mount.getattr(await file());
    case 'root':
      return mount.getattr(asNodeId(ROOT_NODE));
    case 'read':
      return mount.read(await file());
    case 'create':
      return mount.create(folder, name);
    case 'open':
      return mount.open(await file(), pick([true, false]));
    case 'append':
      return mount.append(await file(), `+${step}`);
    case 'close':
      return mount.close(await file());
    case 'truncate':
      return mount.truncate(await file(), pick([0, 1, 5]));
    case 'touch':
      return mount.touch(await file(), 1_000_000 + step);
    case 'mkdir':
      return mount.mkdir(folder, `d${step}`);
    case 'unlink':
      return mount.remove(folder, name, 'unlink');
    case 'rename': {
      const to = pick(['here', 'sub', 'back'] as const);
      const sub = await mount.lookup(folder, 'sub');
      if (to === 'back') return mount.rename(sub, name, folder, pick(NAMES));
      return mount.rename(folder, name, to === 'sub' ? sub : folder, pick(NAMES));
    }
    default:
      throw new Error(`nobody knows how to ${deed}`);
  }
}

async function colleague(
  pick: <T>(of: readonly T[]) => T,
  admin: OpenProject['simulator']['admin'],
  path: string,
  step: number,
): Promise<void> {
  const op = pick(['update', 'delete', 'create', 'rename', 'top'] as const);
  if (op === 'rename') await admin.change({ op, path, to: pick(NAMES) });
  else if (op === 'top')
    await admin.change({ op: 'create', path: `top ${path.replaceAll('/', ' ')} ${step}`, content: 'x' });
  else await admin.change({ op, path, content: `v${step}` });
}
