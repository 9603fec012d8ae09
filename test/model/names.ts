import { ROOT_NODE } from '#src/base/ids.js';
import { foldCase } from '#src/names/fold.js';
import { fitsLinux, linuxNames, suffixedName } from '#src/names/linux.js';
import { classifyName } from '#src/names/local-only.js';
import { judgeProcoreName } from '#src/names/procore.js';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import { withSpellings } from '#src/vfs/spellings.js';
import { context, errnoOf, Files, type OpenProject } from '../support/project.js';
import { type Drawn, type Step, ways } from './name-steps.js';

/** One of the two folders. */
type Side = 0 | 1;

/** Something in one of the folders, here or at the server. */
interface Known {
  readonly type: 'file' | 'folder';
  side: Side;
  id: number | undefined;
  /** At the server. */
  remote: string;
  /** Here; undefined until it has been seen under one. */
  local: string | undefined;
  content: string;
  versions: number;
  deleted: boolean;
  /** Something of it went up from here: that it was deleted and is back is believed only after some time. */
  isOwn: boolean;
  /** Under which it was shown when it was deleted. */
  before?: string | undefined;
}

const isUnicode = (name: string): boolean => !/\p{Cs}/u.test(name);
/** What the kernel lets through to a file system. */
const isLocalName = (name: string): boolean =>
  isUnicode(name) && fitsLinux(name) && !/[/\0]/.test(name) && !['', '.', '..'].includes(name);
const characters = (name: string): number => [...name].length;
const isRemoteName = (name: string): boolean => isUnicode(name) && name !== '' && characters(name) <= 255;

/** Somebody works in two folders of a project, and others at the server, all with names from the whole of Unicode. */
export class NamesRun {
  readonly #known: Known[] = [];
  readonly #tops: readonly [string, string];
  readonly #ignoresCase: boolean;
  readonly #counts: Record<string, number>;
  #project: OpenProject;

  constructor(project: OpenProject, top: string, ignoresCase: boolean, counts: Record<string, number>) {
    this.#project = project;
    this.#tops = [`${top} a`, `${top} b`];
    this.#ignoresCase = ignoresCase;
    this.#counts = counts;
  }

  get project(): OpenProject {
    return this.#project;
  }

  get #files(): Files {
    return new Files(this.#project.fileSystem);
  }

  get #live(): Known[] {
    return this.#known.filter(({ deleted }) => !deleted);
  }

  async run(steps: readonly Step[], done: string[]): Promise<void> {
    for (const top of this.#tops) await this.#project.fileSystem.writable.mkdir(ROOT_NODE, top, 0o755, context);
    await this.#project.drain();
    for (const one of steps) {
      const name = this.#resolve(one.name);
      const known = this.#live[one.item % Math.max(1, this.#live.length)];
      done.push(JSON.stringify([one.op, name, known?.local, known?.id]));
      if (await this.#step(one, name, known)) this.#count(one.op);
      else continue;
      await this.#check(false);
      await this.#project.drain();
      await this.#polled();
      await this.#check(true);
    }
    for (const path of this.#tops) await this.#admin({ op: 'delete', path });
  }

  /** A poll that is under way may have begun before. */
  async #polled(): Promise<void> {
    const { mirror } = this.#project.project;
    const began = performance.now();
    do await mirror.pollNow(new AbortController().signal);
    while (mirror.sincePoll! * 1000 > performance.now() - began);
  }

  #resolve(name: Drawn): string {
    if ('text' in name) return name.text;
    const known = this.#known.at(-1 - name.of);
    const remote = known?.remote ?? 'Nobody';
    return ways[name.how](known?.local ?? remote, known?.id ?? 7, remote);
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  #admin(change: AdminChange): Promise<{ readonly id: number }> {
    return this.#project.simulator.admin.change(change);
  }

  #isSame(name: string, other: string | undefined): boolean {
    return name === other || (this.#ignoresCase && other !== undefined && foldCase(name) === foldCase(other));
  }

  #in(side: Side): Known[] {
    return this.#live.filter((one) => one.side === side);
  }

  #here(name: string, side: Side): Known | undefined {
    const all = this.#in(side);
    return all.find(({ local }) => name === local) ?? all.find(({ local }) => this.#isSame(name, local));
  }

  #there(remote: string, type: Known['type'], side: Side, self?: Known): Known | undefined {
    return this.#in(side).find((one) => one !== self && one.remote === remote && one.type === type);
  }

  /** The errno that the documentation promises, for a name that something is to get here. */
  #refusal(name: string): string | undefined {
    if (name === '.procore') return 'EINVAL';
    const refusal = judgeProcoreName(name);
    if (refusal) return refusal.errno;
    return this.#isTooLong(name) ? 'ENAMETOOLONG' : undefined;
  }

  #isTooLong(name: string): boolean {
    return characters(this.#tops[0]) + 1 + characters(linuxNames.decode(name)) > 255;
  }

  async #expect(errno: string | undefined, what: string, work: () => Promise<unknown>): Promise<boolean> {
    const found = await errnoOf(work);
    if (found !== errno) throw new Error(`${what}: ${found ?? 'done'} instead of ${errno ?? 'done'}`);
    if (errno) this.#count(errno);
    return errno === undefined;
  }

  async #step({ op, isFolder, item }: Step, name: string, known: Known | undefined): Promise<boolean> {
    const side = item % 4 === 3 ? 1 : 0;
    switch (op) {
      case 'create':
      case 'mkdir':
        return isLocalName(name) && this.#create(name, op === 'mkdir', side);
      case 'move':
        return known !== undefined && this.#move(known);
      case 'rename':
        return isLocalName(name) && known !== undefined && this.#rename(known, name);
      case 'save':
        if (known?.type !== 'file') return false;
        known.content = `saved as ${JSON.stringify(known.local)}`;
        known.versions++;
        known.isOwn = true;
        await this.#files.write(this.#at(known), known.content);
        return true;
      case 'delete':
        if (!known) return false;
        await (known.type === 'file' ? this.#files.unlink(this.#at(known)) : this.#files.rmdir(this.#at(known)));
        known.deleted = known.isOwn = true;
        return true;
      case 'reopen':
        this.#project = await this.#project.reopen();
        return true;
      case 'their create':
      case 'their create and delete': {
        if (!isRemoteName(name) || !(await this.#theirCreate(name, isFolder ? 'folder' : 'file', side))) return false;
        if (op === 'their create and delete') await this.#theirDelete(this.#known.at(-1)!);
        return true;
      }
      case 'their rename':
      case 'their rename and delete': {
        if (!known || !isRemoteName(name) || this.#there(name, known.type, known.side, known) || name === known.remote)
          return false;
        await this.#admin({ op: 'rename', id: known.id!, to: name });
        known.remote = name;
        known.local = known.before = undefined;
        if (op === 'their rename and delete') await this.#theirDelete(known);
        return true;
      }
      case 'their move': {
        const to = known?.side === 0 ? 1 : 0;
        if (!known || this.#there(known.remote, known.type, to)) return false;
        await this.#admin({ op: 'move', id: known.id!, to: this.#tops[to] });
        known.side = to;
        known.local = known.before = undefined;
        return true;
      }
      case 'their delete':
        if (!known) return false;
        await this.#theirDelete(known);
        return true;
      case 'their restore': {
        const gone = this.#known.findLast(
          (one) => one.deleted && !one.isOwn && !this.#there(one.remote, one.type, one.side),
        );
        if (!gone) return false;
        await this.#admin({ op: 'restore', id: gone.id! });
        gone.deleted = false;
        gone.before = gone.local;
        gone.local = undefined;
        return true;
      }
    }
  }

  async #create(name: string, folder: boolean, side: Side): Promise<boolean> {
    const type = folder ? 'folder' : 'file';
    const kind = classifyName(name, [], type);
    const remote = linuxNames.decode(name);
    const here = this.#here(name, side);
    const at = `${this.#tops[side]}/${name}`;
    const content = `made as ${JSON.stringify(name)}`;
    const work = (): Promise<void> => (folder ? this.#files.mkdir(at) : this.#files.write(at, content));
    if (here) {
      if (folder) return this.#expect('EEXIST', `mkdir ${name}`, work);
      const parent = (await this.#files.entry(this.#tops[side])).node;
      return this.#expect('EEXIST', `create ${name}`, async () =>
        this.#project.fileSystem.writable.create(parent, name, 0o644, 0o301, context),
      );
    }
    if (kind === 'local') {
      if (!(await this.#expect(name === '.procore' ? 'EINVAL' : undefined, `create ${name}`, work))) return false;
      await this.#project.drain();
      const state = await this.#xattr(at, 'state');
      if (state !== 'local') throw new Error(`${name} is ${state}`);
      await (folder ? this.#files.rmdir(at) : this.#files.unlink(at));
      this.#count('local');
      return true;
    }
    // On its way to another name, which is the one that is judged.
    if (kind === 'transfer-temporary' && this.#refusal(name) !== undefined) return false;
    const wanted = this.#refusal(name) ?? (this.#there(remote, type, side) ? 'EEXIST' : undefined);
    if (!(await this.#expect(wanted, `${type} ${JSON.stringify(name)}`, work))) return true;
    this.#known.push({
      type,
      side,
      id: undefined,
      remote,
      local: name,
      content,
      versions: 1,
      deleted: false,
      isOwn: true,
    });
    return true;
  }

  async #rename(known: Known, name: string): Promise<boolean> {
    const here = this.#here(name, known.side);
    const isSpelling = here === known && name !== known.local;
    if ((here && !isSpelling) || classifyName(name, [], known.type) !== 'published') return false;
    const remote = linuxNames.decode(name);
    const wanted = this.#refusal(name) ?? (this.#there(remote, known.type, known.side, known) ? 'EEXIST' : undefined);
    const work = () => this.#files.rename(this.#at(known), `${this.#tops[known.side]}/${name}`);
    if (!(await this.#expect(wanted, `rename ${JSON.stringify([known.local, name])}`, work))) return true;
    known.remote = remote;
    known.local = name;
    known.isOwn = true;
    return true;
  }

  /** To the other folder, under the name that it is shown under. */
  async #move(known: Known): Promise<boolean> {
    const to = known.side === 0 ? 1 : 0;
    const name = known.local!;
    if (this.#here(name, to)) return false;
    const isTaken = this.#there(known.remote, known.type, to) !== undefined;
    const wanted = this.#isTooLong(name) ? 'ENAMETOOLONG' : isTaken ? 'EEXIST' : undefined;
    const work = () => this.#files.rename(this.#at(known), `${this.#tops[to]}/${name}`);
    if (!(await this.#expect(wanted, `move ${JSON.stringify(name)}`, work))) return true;
    known.side = to;
    known.isOwn = true;
    return true;
  }

  async #theirCreate(remote: string, type: Known['type'], side: Side): Promise<boolean> {
    if (this.#there(remote, type, side)) return false;
    const content = `theirs: ${JSON.stringify(remote)}`;
    const made = await this.#admin({
      ...{ op: 'create', parent: this.#tops[side], name: remote, type },
      ...(type === 'file' ? { content } : {}),
    });
    this.#known.push({
      type,
      side,
      id: made.id,
      remote,
      local: undefined,
      content,
      versions: 1,
      deleted: false,
      isOwn: false,
    });
    return true;
  }

  async #theirDelete(known: Known): Promise<void> {
    await this.#admin({ op: 'delete', id: known.id! });
    known.deleted = true;
  }

  /** Its path here. */
  #at({ side, local }: Known): string {
    return `${this.#tops[side]}/${local}`;
  }

  async #xattr(path: string, what: string): Promise<string> {
    const { node } = await this.#files.entry(path);
    const value = await this.#project.fileSystem.getxattr(node, `user.procore.${what}`, context);
    return Buffer.from(value ?? '').toString();
  }

  /** Every item is here under one name, which leads to it and to nothing else; `isSent`: and is at the server. */
  async #check(isSent: boolean): Promise<void> {
    const wrong: string[] = [];
    if (isSent) await this.#checkServer(wrong);
    for (const side of [0, 1] as const) await this.#checkFolder(side, isSent, wrong);
    if (isSent) for (const one of this.#live) if (one.local !== undefined) await this.#checkSpellings(one, wrong);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  }

  async #checkFolder(side: Side, isSent: boolean, wrong: string[]): Promise<void> {
    const top = this.#tops[side];
    const names = await this.#files.list(top);
    if (new Set(names).size !== names.length) wrong.push(`a name is listed twice: ${JSON.stringify(names)}`);
    for (const name of names) {
      if (!isLocalName(name) || name === '.procore') wrong.push(`${JSON.stringify(name)} is no name for Linux`);
      if (names.some((other) => other !== name && this.#isSame(name, other))) wrong.push(`${name} has a twin in case`);
    }
    const live = this.#in(side);
    const nameOf = new Map<number, string>();
    for (const name of names) nameOf.set(Number(await this.#xattr(`${top}/${name}`, 'id')), name);
    // What others did shows after a poll.
    const shown = isSent ? live : live.filter(({ local }) => local !== undefined);
    if (isSent && names.length !== live.length) wrong.push(`${names.length} names, ${live.length} items`);
    for (const one of shown) {
      const local = one.id === undefined ? one.local : nameOf.get(one.id);
      if (local === undefined) wrong.push(`${JSON.stringify(one.remote)} (${one.id}) is not here`);
      else if (one.local !== undefined && local !== one.local)
        wrong.push(`${JSON.stringify(one.local)} (${one.id}) is called ${JSON.stringify(local)}`);
      else if (one.local === undefined && !this.#mayBe(one, local))
        wrong.push(`${JSON.stringify(one.remote)} (${one.id}) is shown as ${JSON.stringify(local)}`);
      if (local === undefined) continue;
      if (isSent) one.local = local;
      if (one.type === 'file' && (await this.#files.read(`${top}/${local}`)).toString() !== one.content)
        wrong.push(`${JSON.stringify(local)} has the content of another`);
    }
  }

  async #checkServer(wrong: string[]): Promise<void> {
    const found = new Map((await this.#project.simulator.admin.tree()).map((entry) => [entry.id, entry]));
    const within = [...found.values()].filter(({ path }) => this.#tops.some((top) => path.startsWith(`${top}/`)));
    if (within.length !== this.#live.length)
      wrong.push(`at the server: ${JSON.stringify(within)} for ${JSON.stringify(this.#live)}`);
    for (const one of this.#live) {
      const wanted = `${this.#tops[one.side]}/${one.remote}`;
      const entry =
        one.id === undefined
          ? within.find(({ path, type }) => path === wanted && type === one.type)
          : found.get(one.id);
      if (entry?.path !== wanted)
        wrong.push(`${JSON.stringify(one.remote)} is ${JSON.stringify(entry?.path)} at the server`);
      if (one.type === 'file' && entry && entry.versions !== one.versions)
        wrong.push(`${one.remote} has ${entry.versions} versions, not ${one.versions}`);
      one.id ??= entry?.id;
    }
  }

  /** A name that it may be seen under for the first time: its own, unless that is too long or another one's. */
  #mayBe(one: Known, local: string): boolean {
    const plain = linuxNames.encode(one.remote);
    const first = fitsLinux(plain) ? plain : suffixedName(plain, one.id!);
    const others = this.#in(one.side).filter((other) => other !== one && other.local !== undefined);
    if (local === one.before && !others.some((other) => this.#isSame(local, other.local))) return true;
    if (!others.some((other) => this.#isSame(first, other.local))) return local === first;
    let name = suffixedName(first, one.id!);
    while (others.some((other) => this.#isSame(name, other.local))) name = suffixedName(name, one.id!);
    return local === name;
  }

  async #checkSpellings(one: Known, wrong: string[]): Promise<void> {
    const { node: parent } = await this.#files.entry(this.#tops[one.side]);
    const local = one.local!;
    const fileSystem = withSpellings(this.#project.fileSystem);
    for (const way of [ways.upper, ways.lower, ways.composed, ways.decomposed]) {
      const name = way(local);
      if (name === local || !isLocalName(name)) continue;
      const known = this.#here(name, one.side);
      const found = await fileSystem.lookup(parent, name, context);
      if ((found.node === undefined) !== (known === undefined)) {
        wrong.push(`${JSON.stringify(name)} finds ${found.node === undefined ? 'nothing' : 'something'}`);
        continue;
      }
      if (found.node === undefined || known !== one) continue;
      const id = Buffer.from((await fileSystem.getxattr(found.node, 'user.procore.id', context)) ?? '');
      if (one.id !== undefined && Number(id.toString()) !== one.id) wrong.push(`${JSON.stringify(name)} finds ${id}`);
    }
  }
}
