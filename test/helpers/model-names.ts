import fc from 'fast-check';
import { ROOT_NODE } from '#src/base/ids.js';
import { foldCase } from '#src/names/fold.js';
import { fitsLinux, linuxNames, suffixedName } from '#src/names/linux.js';
import { classifyName } from '#src/names/local-only.js';
import { judgeName } from '#src/names/procore.js';
import type { Change } from '#src/simulator/admin/changes.js';
import { withSpellings } from '#src/vfs/spellings.js';
import type { Scenario } from './cases-scenarios.js';
import { context, errnoOf, Files, type OpenProject, openProject } from './project.js';

/** A name as it is drawn: a text, or what some name that is there already becomes. */
type Drawn = { readonly text: string } | { readonly of: number; readonly how: keyof typeof ways };

interface Step {
  readonly op: (typeof OPERATIONS)[number];
  readonly item: number;
  readonly name: Drawn;
  readonly isFolder: boolean;
}

/** Something in the folder, here or at the server. */
interface Known {
  readonly type: 'file' | 'folder';
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

const OPERATIONS = [
  ...['create', 'create', 'mkdir', 'rename', 'rename', 'save', 'delete', 'reopen'],
  ...['their create', 'their create', 'their rename', 'their delete', 'their restore', 'their restore'],
  ...['their create and delete', 'their rename and delete'],
] as const;

/** Names that are the same to somebody, or that the mount makes of one. */
const ways = {
  itself: (name: string) => name,
  plain: (_: string, __: number, remote: string) => linuxNames.encode(remote),
  upper: (name: string) => name.toUpperCase(),
  lower: (name: string) => name.toLowerCase(),
  composed: (name: string) => name.normalize('NFC'),
  decomposed: (name: string) => name.normalize('NFD'),
  encoded: linuxNames.encode,
  decoded: linuxNames.decode,
  suffixed: (name: string, id: number) => suffixedName(name, id),
  long: (name: string) => `${name}${'\u{1f3d7}'.repeat(200)}`,
} as const;

/** Pieces that some part of the way treats in its own way. */
const PIECES = [
  ...['/', '\0', '.', '..', '\u201b', '\uff0f', '\u2400', '\uff0e', '\u2205', '.procore', '\uff0eprocore'],
  ...[' ', '\u00a0', '\u200b', '\u202e', '\ufeff', '\n', '\u0014', '\u007f', '\ufffd', '\u{f0000}', '\u{10ffff}'],
  ...['<', '>', ':', '\\', '|', '?', '*', '"', '%2F', "'", '-', '~', '#', ' (1)', ' (12)', '.pdf', '.PDF', '.tmp'],
  ...['a', 'A', 'b', 'e\u0301', '\u00e9', 'ß', 'ẞ', 'İ', 'ı', 'ſ', 'K', 'k', '\u212a', 'Ω', '\u2126', 'ﬀ', '👷🏽‍♀️'],
  ...[
    '__proto__',
    'constructor',
    'recycle',
    'Plan',
    'x'.repeat(120),
    'y'.repeat(250),
    '\u0436'.repeat(100),
    '𠮷'.repeat(60),
  ],
];

const text = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 }).map((all) => all.join('')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }) },
);
const drawn: fc.Arbitrary<Drawn> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ text }) },
  {
    weight: 2,
    arbitrary: fc.record({ of: fc.nat(3), how: fc.constantFrom(...(Object.keys(ways) as (keyof typeof ways)[])) }),
  },
);
const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom(...OPERATIONS),
  item: fc.nat(50),
  name: drawn,
  isFolder: fc.boolean(),
});

const named = (op: Step['op'], name: string, item = 0, isFolder = false): Step => ({
  op,
  item,
  name: { text: name },
  isFolder,
});

/** What once went wrong, or nearly. */
const TROUBLE: readonly Step[] = [
  // Seen for the first time in the bin.
  named('their create and delete', 'a/b'),
  named('their restore', ''),
  // Renamed and deleted between two looks.
  named('their create', 'before'),
  named('their rename and delete', 'after', 1),
  named('their restore', ''),
  // The plain name is free here, but not at the server; and its owner may have it.
  named('their create', 'twin'),
  named('their create', 'twin', 0, true),
  named('their delete', '', 2),
  named('mkdir', 'twin'),
  named('rename', 'twin', 2),
  // Sent as half a surrogate pair, as nothing, as more than there can be.
  named('create', '\u{f0000}'),
  named('create', '\u201b\u{f0000}'),
  named('create', '\u2205'),
  named('mkdir', 'y'.repeat(250)),
  named('create', 'r'),
  named('rename', 'key\u0014', 4),
];

const isUnicode = (name: string): boolean => !/\p{Cs}/u.test(name);
/** What the kernel lets through to a file system. */
const isLocalName = (name: string): boolean =>
  isUnicode(name) && fitsLinux(name) && !/[/\0]/.test(name) && !['', '.', '..'].includes(name);
const characters = (name: string): number => [...name].length;
const isRemoteName = (name: string): boolean => isUnicode(name) && name !== '' && characters(name) <= 255;

/** Somebody works in one folder of a project, and others at the server, all with names from the whole of Unicode. */
class NamesRun {
  readonly #known: Known[] = [];
  readonly #top: string;
  readonly #ignoresCase: boolean;
  readonly #counts: Record<string, number>;
  #project: OpenProject;

  constructor(project: OpenProject, top: string, ignoresCase: boolean, counts: Record<string, number>) {
    this.#project = project;
    this.#top = top;
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
    await this.#project.fileSystem.writable.mkdir(ROOT_NODE, this.#top, 0o755, context);
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
    await this.#admin({ op: 'delete', path: this.#top });
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

  #admin(change: Change): Promise<{ readonly id: number }> {
    return this.#project.simulator.admin.change(change);
  }

  #isSame(name: string, other: string | undefined): boolean {
    return name === other || (this.#ignoresCase && other !== undefined && foldCase(name) === foldCase(other));
  }

  #here(name: string): Known | undefined {
    return this.#live.find(({ local }) => name === local) ?? this.#live.find(({ local }) => this.#isSame(name, local));
  }

  #there(remote: string, type: Known['type'], self?: Known): Known | undefined {
    return this.#live.find((one) => one !== self && one.remote === remote && one.type === type);
  }

  /** The errno that the documentation promises, for a name that something is to get here. */
  #refusal(name: string): string | undefined {
    if (name === '.procore') return 'EINVAL';
    const refusal = judgeName(name);
    if (refusal) return refusal.errno;
    return characters(this.#top) + 1 + characters(linuxNames.decode(name)) > 255 ? 'ENAMETOOLONG' : undefined;
  }

  async #expect(errno: string | undefined, what: string, work: () => Promise<unknown>): Promise<boolean> {
    const found = await errnoOf(work);
    if (found !== errno) throw new Error(`${what}: ${found ?? 'done'} instead of ${errno ?? 'done'}`);
    if (errno) this.#count(errno);
    return errno === undefined;
  }

  async #step({ op, isFolder }: Step, name: string, known: Known | undefined): Promise<boolean> {
    switch (op) {
      case 'create':
      case 'mkdir':
        return isLocalName(name) && this.#create(name, op === 'mkdir');
      case 'rename':
        return isLocalName(name) && known !== undefined && this.#rename(known, name);
      case 'save':
        if (known?.type !== 'file') return false;
        known.content = `saved as ${JSON.stringify(known.local)}`;
        known.versions++;
        known.isOwn = true;
        await this.#files.write(this.#at(known.local!), known.content);
        return true;
      case 'delete':
        if (!known) return false;
        await (known.type === 'file'
          ? this.#files.unlink(this.#at(known.local!))
          : this.#files.rmdir(this.#at(known.local!)));
        known.deleted = known.isOwn = true;
        return true;
      case 'reopen':
        this.#project = await this.#project.reopen();
        return true;
      case 'their create':
      case 'their create and delete': {
        if (!isRemoteName(name) || !(await this.#theirCreate(name, isFolder ? 'folder' : 'file'))) return false;
        if (op === 'their create and delete') await this.#theirDelete(this.#known.at(-1)!);
        return true;
      }
      case 'their rename':
      case 'their rename and delete': {
        if (!known || !isRemoteName(name) || this.#there(name, known.type, known) || name === known.remote)
          return false;
        await this.#admin({ op: 'rename', id: known.id!, to: name });
        known.remote = name;
        known.local = known.before = undefined;
        if (op === 'their rename and delete') await this.#theirDelete(known);
        return true;
      }
      case 'their delete':
        if (!known) return false;
        await this.#theirDelete(known);
        return true;
      case 'their restore': {
        const gone = this.#known.findLast(
          ({ deleted, isOwn, remote, type }) => deleted && !isOwn && !this.#there(remote, type),
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

  async #create(name: string, folder: boolean): Promise<boolean> {
    const type = folder ? 'folder' : 'file';
    const kind = classifyName(name, [], type);
    const remote = linuxNames.decode(name);
    const here = this.#here(name);
    const content = `made as ${JSON.stringify(name)}`;
    const work = (): Promise<void> =>
      folder ? this.#files.mkdir(this.#at(name)) : this.#files.write(this.#at(name), content);
    if (here) {
      if (folder) return this.#expect('EEXIST', `mkdir ${name}`, work);
      const parent = (await this.#files.entry(this.#top)).node;
      return this.#expect('EEXIST', `create ${name}`, async () =>
        this.#project.fileSystem.writable.create(parent, name, 0o644, 0o301, context),
      );
    }
    if (kind === 'local') {
      if (!(await this.#expect(name === '.procore' ? 'EINVAL' : undefined, `create ${name}`, work))) return false;
      await this.#project.drain();
      const state = await this.#xattr(name, 'state');
      if (state !== 'local') throw new Error(`${name} is ${state}`);
      await (folder ? this.#files.rmdir(this.#at(name)) : this.#files.unlink(this.#at(name)));
      this.#count('local');
      return true;
    }
    // On its way to another name, which is the one that is judged.
    if (kind === 'transfer-temporary' && this.#refusal(name) !== undefined) return false;
    const wanted = this.#refusal(name) ?? (this.#there(remote, type) ? 'EEXIST' : undefined);
    if (!(await this.#expect(wanted, `${type} ${JSON.stringify(name)}`, work))) return true;
    this.#known.push({ type, id: undefined, remote, local: name, content, versions: 1, deleted: false, isOwn: true });
    return true;
  }

  async #rename(known: Known, name: string): Promise<boolean> {
    const here = this.#here(name);
    const isSpelling = here === known && name !== known.local;
    if ((here && !isSpelling) || classifyName(name, [], known.type) !== 'published') return false;
    const remote = linuxNames.decode(name);
    const wanted = this.#refusal(name) ?? (this.#there(remote, known.type, known) ? 'EEXIST' : undefined);
    const work = () => this.#files.rename(this.#at(known.local!), this.#at(name));
    if (!(await this.#expect(wanted, `rename ${JSON.stringify([known.local, name])}`, work))) return true;
    known.remote = remote;
    known.local = name;
    known.isOwn = true;
    return true;
  }

  async #theirCreate(remote: string, type: Known['type']): Promise<boolean> {
    if (this.#there(remote, type)) return false;
    const content = `theirs: ${JSON.stringify(remote)}`;
    const made = await this.#admin({
      ...{ op: 'create', parent: this.#top, name: remote, type },
      ...(type === 'file' ? { content } : {}),
    });
    this.#known.push({
      type,
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

  #at(name: string): string {
    return `${this.#top}/${name}`;
  }

  async #xattr(name: string, what: string): Promise<string> {
    const { node } = await this.#files.entry(this.#at(name));
    const value = await this.#project.fileSystem.getxattr(node, `user.procore.${what}`, context);
    return Buffer.from(value ?? '').toString();
  }

  /** Every item is here under one name, which leads to it and to nothing else; `isSent`: and is at the server. */
  async #check(isSent: boolean): Promise<void> {
    const names = await this.#files.list(this.#top);
    const wrong: string[] = [];
    if (new Set(names).size !== names.length) wrong.push(`a name is listed twice: ${JSON.stringify(names)}`);
    for (const name of names) {
      if (!isLocalName(name) || name === '.procore') wrong.push(`${JSON.stringify(name)} is no name for Linux`);
      if (names.some((other) => other !== name && this.#isSame(name, other))) wrong.push(`${name} has a twin in case`);
    }
    if (isSent) await this.#checkServer(wrong);
    const live = this.#live;
    const nameOf = new Map<number, string>();
    for (const name of names) nameOf.set(Number(await this.#xattr(name, 'id')), name);
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
      if (one.type === 'file' && (await this.#files.read(this.#at(local))).toString() !== one.content)
        wrong.push(`${JSON.stringify(local)} has the content of another`);
    }
    if (isSent) for (const one of live) if (one.local !== undefined) await this.#checkSpellings(one.local, one, wrong);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  }

  async #checkServer(wrong: string[]): Promise<void> {
    const found = new Map((await this.#project.simulator.admin.tree()).map((entry) => [entry.id, entry]));
    const within = [...found.values()].filter(({ path }) => path.startsWith(`${this.#top}/`));
    if (within.length !== this.#live.length)
      wrong.push(`at the server: ${JSON.stringify(within)} for ${JSON.stringify(this.#live)}`);
    for (const one of this.#live) {
      const entry =
        one.id === undefined
          ? within.find(({ path, type }) => path === this.#at(one.remote) && type === one.type)
          : found.get(one.id);
      if (entry?.path !== this.#at(one.remote))
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
    const others = this.#live.filter((other) => other !== one && other.local !== undefined);
    if (local === one.before && !others.some((other) => this.#isSame(local, other.local))) return true;
    if (!others.some((other) => this.#isSame(first, other.local))) return local === first;
    let name = suffixedName(first, one.id!);
    while (others.some((other) => this.#isSame(name, other.local))) name = suffixedName(name, one.id!);
    return local === name;
  }

  async #checkSpellings(local: string, one: Known, wrong: string[]): Promise<void> {
    const { node: parent } = await this.#files.entry(this.#top);
    const fileSystem = withSpellings(this.#project.fileSystem);
    for (const way of [ways.upper, ways.lower, ways.composed, ways.decomposed]) {
      const name = way(local);
      if (name === local || !isLocalName(name)) continue;
      const known = this.#here(name);
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

export interface NamesSettings {
  readonly runs: number;
  /** Steps from an empty folder on. */
  readonly length: number;
  readonly ignoresCase: boolean;
}

/**
 * What is made here under a name is at the server under the decoded one and shown under the first again; what the server
 * has is shown under one name, which stays, leads to it, and to nothing else; refused names give the documented errno.
 */
export async function namesProperty(t: Scenario, settings: NamesSettings, seed: number): Promise<void> {
  const { runs, length, ignoresCase } = settings;
  const counts: Record<string, number> = {};
  let project = await openProject(t, { hour: 20 }, {}, { hour: 20_000, spike: 10_000 });
  if (ignoresCase) await project.project.ignoreCase();
  let run = 0;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: length, maxLength: length, size: 'max' }),
    async (steps) => {
      const done: string[] = [];
      const one = new NamesRun(project, `run ${run++}`, ignoresCase, counts);
      try {
        await one.run(steps, done);
      } catch (error) {
        throw new Error(`${(error as Error).stack}\nafter\n${done.join('\n')}`);
      } finally {
        project = one.project;
      }
    },
  );
  const found = await fc.check(property, { seed, numRuns: runs, endOnFailure: true, examples: [[[...TROUBLE]]] });
  const error = found.errorInstance as Error | undefined;
  t.ok(!found.failed, `seed ${seed}, ${runs} runs of up to ${length} steps: ${error?.message ?? found.numRuns}`);
  t.comment(`seed ${seed}${ignoresCase ? ', ignoring case' : ''}: ${JSON.stringify(counts)}`);
}
