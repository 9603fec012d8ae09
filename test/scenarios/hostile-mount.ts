import { mkdirSync } from 'node:fs';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { foldCase } from '#src/names/fold.js';
import { fitsLinux, linuxNames, suffixedName } from '#src/names/linux.js';
import { classifyName } from '#src/names/local-only.js';
import { judgeProcoreName, judgeProcorePath } from '#src/names/procore.js';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import { oddNames } from '#src/simulator/generate/odd-names.js';
import { type MountedProject, mounted, run } from '../support/mounted.js';
import { randomBy } from '../support/random.js';
import type { TreeEntry } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

const SETTINGS = { items: 0, oddNames: 'no', spike: 3000, hourly: 1_000_000 } as const;
const OPTIONS = 'settle=3600,delete_delay=0,poll=3600';
const FOLDER = 'Hostile';

/** Beside `oddNames`: what the encoding itself uses, and what looks or counts like another name. */
const MORE: readonly string[] = [
  ...['nul\0.txt', '\u2400.txt', '\u2205', '\uff0e\uff0e', '\uff0eprocore', '\u201b\u201b\uff0f', '\u201b\u{f0000}'],
  ...['replacement \ufffd.txt', 'symbol \u{f0000}.txt', '\u2066isolated\u2069', 'Ö.txt', 'O\u0308.txt', '\u212a', 'K'],
  ...['same.txt', 'same (1).txt', 'a\u00a0.pdf', 'end*', '-', '漢'.repeat(86), `${'🏗'.repeat(250)}.pdf`],
];

/** Each character that Procore forbids, at each place, and more of the rest. */
const STILL_MORE: readonly string[] = [
  ...[...'/<>:\\|?*'].flatMap((character) => [`${character}start.pdf`, `mid${character}dle.pdf`, `end ${character}`]),
  ...[
    '\0',
    '\uff0e',
    '\u201b',
    'non-character \uffff.txt',
    '\u{10ffff}',
    '\u1e9b\u0323',
    '\u1e9b\u0323'.normalize('NFKC'),
  ],
  ...['\u202eabc\u202c', 'Same.txt', 'SAME.TXT', 'ſame.txt', 'İ', 'i\u0307', 'a .pdf', 'a.pdf ', '\t', '. .', '....'],
  ...['--', '*', '$(touch x)', '%2e%2e%2f', '%00', '漢'.repeat(85), '🏗️'.repeat(36), `${'🏗'.repeat(63)}.pdf`],
];

interface Name {
  readonly remote: string;
  readonly folder: boolean;
}

const file = (remote: string): Name => ({ remote, folder: false });

/** Names that people and programs really have, and those that are made to be trouble. */
export const HOSTILE: readonly Name[] = [
  ...oddNames.map(({ name, folder = false }) => ({ remote: name, folder })),
  ...MORE.map(file),
];
export const MORE_HOSTILE: readonly Name[] = [...HOSTILE, ...STILL_MORE.map(file)];

/** Random names over all of Unicode, 1 to 255 characters, a quarter of them as folders. */
export function randomNames(count: number, seed: number): Name[] {
  const random = randomBy(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const names = new Map<string, Name>();
  while (names.size < count) {
    const length = random() < 0.2 ? 255 : 1 + below(20);
    let remote = '';
    while ([...remote].length < length) {
      const code = random() < 0.5 ? below(0x250) : below(0x110000);
      if (code < 0xd800 || code > 0xdfff) remote += String.fromCodePoint(code);
    }
    names.set(remote, { remote, folder: random() < 0.25 });
  }
  return [...names.values()];
}

/** An item with a hostile name, and what the mount shows it as. */
interface Known extends Name {
  readonly id: number;
  readonly content: string;
  readonly local: string;
}

class HostileMount {
  readonly #t: Scenario;
  readonly #project: MountedProject;
  readonly #words: readonly string[];
  #all: readonly Known[] = [];

  constructor(t: Scenario, project: MountedProject, words: readonly string[]) {
    this.#t = t;
    this.#project = project;
    this.#words = words;
  }

  get #ignoresCase(): boolean {
    return this.#words.at(-1)!.startsWith('ci,');
  }

  get #files(): readonly Known[] {
    return this.#all.filter(({ folder }) => !folder);
  }

  async run(names: readonly Name[]): Promise<void> {
    const { admin } = this.#project.simulator;
    await admin.change({ op: 'create', path: `${FOLDER}/` });
    const made = await admin.changes(names.map((name) => creation(name)));
    await this.#refresh();
    const byId = new Map([...(await this.#ids(await this.#listed()))].map(([name, id]) => [Number(id), name]));
    this.#all = names.map((name, n) => ({
      ...name,
      id: made[n]!.id,
      content: contentOf(name),
      local: byId.get(made[n]!.id) ?? '',
    }));
    this.#equal(
      this.#all
        .filter((one) => !isNameFor(one, this.#all, this.#ignoresCase))
        .map(({ remote, local }) => [remote, local]),
      'each is shown as itself, or with its id',
    );
    await this.#same('when they are first seen');
    await this.#copied();
    await this.#renamedBeforeAnythingWent();
    await this.#written();
    await this.#remounted();
    await this.#twins();
    await this.#renamed();
  }

  /** Every name is listed once, is the same item's as before, and leads to its content. */
  async #same(when: string): Promise<void> {
    const listed = await this.#listed();
    this.#equal(
      listed.filter((name, n) => listed.indexOf(name) !== n),
      `${when}: nothing is listed twice`,
    );
    const wanted = new Set(this.#all.map(({ local }) => local));
    this.#equal(
      listed.filter((name) => !wanted.delete(name)),
      `${when}: nothing else is listed`,
    );
    this.#equal([...wanted], `${when}: all are listed`);
    const ids = await this.#ids(this.#all.map(({ local }) => local));
    this.#equal(
      this.#all.filter(({ local, id }) => ids.get(local) !== String(id)).map(({ local }) => [local, ids.get(local)]),
      `${when}: each name is its own item's`,
    );
    const wrong: unknown[] = [];
    for (const { local, content, folder } of this.#all) {
      const found = folder
        ? await readdir(this.#at(local)).then(String, codeOf)
        : await readFile(this.#at(local), 'utf8').catch(codeOf);
      if (found !== (folder ? '' : content)) wrong.push([local, found]);
    }
    this.#equal(wrong, `${when}: each opens, and has its content`);
  }

  async #copied(): Promise<void> {
    const { installation, source, mnt } = this.#project;
    const [byJob, byCp] = [join(installation.folder, 'by job'), join(installation.folder, 'by cp')];
    mkdirSync(byJob);
    await installation.must(['jobs', 'add', 'hostile', '--from', `${source}/${FOLDER}`, '--to', byJob]);
    await installation.must(['jobs', 'run', 'hostile', '--wait']);
    const cp = await run('cp', ['-r', join(mnt, FOLDER), byCp]);
    this.#equal(cp.code === 0 ? [] : [cp.stderr], 'cp copies all');
    for (const [how, folder] of Object.entries({ 'a job': byJob, cp: byCp })) {
      const wanted = new Map(this.#all.map(({ local, content, folder }) => [local, folder ? undefined : content]));
      const wrong: unknown[] = [];
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        const found = entry.isDirectory() ? undefined : await readFile(join(folder, entry.name), 'utf8');
        if (!wanted.has(entry.name) || wanted.get(entry.name) !== found) wrong.push(entry.name);
        wanted.delete(entry.name);
      }
      this.#equal([...wrong, ...wanted.keys()], `${how} copies each under its own name`);
    }
  }

  /** To another name and back while it waits here: nothing is left to do. */
  async #renamedBeforeAnythingWent(): Promise<void> {
    const before = await this.#server();
    const wrong: unknown[] = [];
    for (const [n, { local }] of this.#all.entries())
      if (lacking(local, this.#words) === undefined)
        try {
          await rename(this.#at(local), this.#at(`plain ${n}`));
          await rename(this.#at(`plain ${n}`), this.#at(local));
        } catch (error) {
          wrong.push([local, codeOf(error)]);
        }
    this.#equal(wrong, 'each is renamed to a plain name and back');
    await this.#drain();
    this.#equal(difference(before, await this.#server()), 'and nothing at the server is different');
  }

  async #written(): Promise<void> {
    const before = await this.#server();
    const wrong: unknown[] = [];
    this.#all = this.#all.map((one) => (one.folder ? one : { ...one, content: `${one.content}, saved` }));
    for (const { local, content } of this.#files)
      await writeFile(this.#at(local), content).catch((error: unknown) => wrong.push([local, codeOf(error)]));
    await this.#drain();
    const after = await this.#server();
    for (const { id, remote } of this.#files) {
      const [was, is] = [before.get(id), after.get(id)];
      if (was?.path !== is?.path || is?.versions !== was!.versions + 1) wrong.push([remote, is?.path, is?.versions]);
    }
    this.#equal(wrong, 'each is saved as one new version of the same document, which keeps its name');
    this.#equal(after.size === before.size ? [] : [after.size], 'and nothing else is made');
    await this.#same('saved');
  }

  async #remounted(): Promise<void> {
    const { installation, source, mnt } = this.#project;
    for (const _ of ['once', 'twice']) {
      await installation.must(['umount', mnt]);
      await installation.must(['mount', source, mnt, ...this.#words]);
    }
    await this.#same('mounted anew twice');
  }

  /** Others make and remove, beside each, what could be taken for it. */
  async #twins(): Promise<void> {
    const { admin } = this.#project.simulator;
    const twins = this.#all.map(({ remote, folder, local }) => ({
      remote: local === linuxNames.encode(remote) ? remote : local,
      folder: local === linuxNames.encode(remote) ? !folder : folder,
    }));
    const taken = new Set(this.#all.map(({ remote, folder }) => `${folder} ${remote}`));
    const made: number[] = [];
    for (const twin of twins)
      if (!taken.has(`${twin.folder} ${twin.remote}`) && [...twin.remote].length <= 255) {
        taken.add(`${twin.folder} ${twin.remote}`);
        made.push((await admin.change(creation(twin))).id);
      }
    await this.#refresh();
    const names = this.#all.map(({ local }) => local);
    const ids = async () => {
      const found = await this.#ids(names);
      return this.#all.filter(({ local, id }) => found.get(local) !== String(id)).map(({ local }) => local);
    };
    this.#equal(await ids(), `${made.length} twins come: every name stays with its item`);
    const listed = await this.#listed();
    this.#equal(
      listed.filter((name, n) => listed.indexOf(name) !== n),
      'and none is listed twice',
    );
    this.#equal(listed.length === names.length + made.length ? [] : [listed.length], 'and all of them are listed');
    await admin.changes(made.map((id) => ({ op: 'delete', id })));
    await this.#refresh();
    await this.#same('after the twins have gone');
  }

  /** To a plain name at the server, and back to the one that it had. */
  async #renamed(): Promise<void> {
    // What has a name of a program's own is not published under it, and would not come back.
    const all = this.#all.filter(
      ({ local, folder }) => classifyName(local, [], folder ? 'folder' : 'file') === 'published',
    );
    for (const [n, { local }] of all.entries()) await rename(this.#at(local), this.#at(`plain ${n}`));
    await this.#drain();
    const plain = await this.#server();
    this.#equal(
      all.filter(({ id }, n) => plain.get(id)?.path !== `${FOLDER}/plain ${n}`).map(({ remote }) => remote),
      'each has a plain name at the server',
    );
    const wrong: unknown[] = [];
    const refused = new Map<Known, string>();
    for (const [n, one] of all.entries()) {
      const refusal = judgeProcoreName(one.local) ?? judgeProcorePath(`${FOLDER}/${one.local}`);
      const wanted = refusal?.errno ?? lacking(one.local, this.#words);
      const found = await rename(this.#at(`plain ${n}`), this.#at(one.local)).then(() => undefined, codeOf);
      if (found !== wanted) wrong.push([one.local, found ?? 'done', wanted ?? 'done']);
      if (found !== undefined) refused.set(one, `plain ${n}`);
    }
    this.#equal(wrong, 'back again: what Procore allows is done, and the rest has its errno');
    await this.#drain();
    const back = await this.#server();
    this.#equal(
      all
        .map((one) => [
          one.remote,
          back.get(one.id)?.path,
          `${FOLDER}/${refused.get(one) ?? linuxNames.decode(one.local)}`,
        ])
        .filter(([, found, expected]) => found !== expected),
      'the server has the name that is shown, byte for byte',
    );
    this.#all = this.#all.map((one) => {
      const local = refused.get(one) ?? one.local;
      return { ...one, local };
    });
    await this.#same('renamed there and back');
    const kept = all.filter((one) => !refused.has(one) && one.remote === linuxNames.decode(one.local)).length;
    this.#t.comment(`${this.#all.length} names: ${kept} are back as they were, ${refused.size} break a rule`);
  }

  #equal(found: readonly unknown[], what: string): void {
    this.#t.equal(JSON.stringify(found), '[]', `${this.#words[1]}: ${what}`);
  }

  #at(name: string): string {
    return `${join(this.#project.mnt, FOLDER)}/${name}`;
  }

  #listed(): Promise<string[]> {
    return readdir(join(this.#project.mnt, FOLDER));
  }

  /** The ids of items, each by its name. */
  async #ids(names: readonly string[]): Promise<Map<string, string>> {
    const words = ['--absolute-names', '-e', 'hex', '-n', 'user.procore.id', '--'];
    const { stdout, stderr } = await run('getfattr', [...words, ...names.map((name) => this.#at(name))]);
    const values = [...stdout.matchAll(/^user\.procore\.id=0x(.*)$/gm)].map(([, hex]) =>
      Buffer.from(hex!, 'hex').toString(),
    );
    if (values.length !== names.length) throw new Error(`${values.length} ids of ${names.length}: ${stderr}`);
    return new Map(names.map((name, n) => [name, values[n]!]));
  }

  async #server(): Promise<Map<number, TreeEntry>> {
    return new Map((await this.#project.simulator.admin.tree()).map((entry) => [entry.id, entry]));
  }

  async #refresh(): Promise<void> {
    await this.#project.installation.must(['refresh', this.#project.mnt]);
    await this.#project.installation.must(['refresh', join(this.#project.mnt, FOLDER)]);
  }

  async #drain(): Promise<void> {
    const { installation, mnt } = this.#project;
    await installation.must(['drain', mnt, '--timeout', '240']);
  }
}

const contentOf = ({ remote, folder }: Name): string => `${folder ? 'folder' : 'file'} ${JSON.stringify(remote)}`;

const creation = (name: Name): AdminChange => ({
  ...{ op: 'create', parent: FOLDER, name: name.remote, type: name.folder ? 'folder' : 'file' },
  ...(name.folder ? {} : { content: contentOf(name) }),
});

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/** fuse-native cannot tell U+FFFD from what is not UTF-8: it gives nothing a new name with it. */
const lacking = (name: string, words: readonly string[]): string | undefined =>
  words.includes('fuse-native') && name.includes('\ufffd') ? 'EINVAL' : undefined;

function isNameFor({ remote, local, id }: Known, all: readonly Known[], ignoresCase: boolean): boolean {
  const plain = linuxNames.encode(remote);
  if (!fitsLinux(plain)) return local === suffixedName(plain, id);
  const isSame = (other: string): boolean => other === remote || (ignoresCase && foldCase(other) === foldCase(remote));
  const isTwin = all.some((other) => other.id !== id && isSame(other.remote));
  return local === plain || (isTwin && local === suffixedName(plain, id));
}

/** What is not the same any more. */
const difference = (before: ReadonlyMap<number, TreeEntry>, after: ReadonlyMap<number, TreeEntry>): unknown[] =>
  [...before].filter(([id, entry]) => JSON.stringify(after.get(id)) !== JSON.stringify(entry));

/** A project full of hostile names, mounted: each name is listed, read, written, copied out, renamed, and stays. */
export async function hostileMount(
  t: Scenario,
  driver: 'kernel' | 'fuse-native',
  names: readonly Name[],
  ignoresCase = false,
): Promise<void> {
  const words = ['--driver', driver, '-o', ignoresCase ? `ci,${OPTIONS}` : OPTIONS];
  const project = await mounted(t, SETTINGS, words);
  await new HostileMount(t, project, words).run(names);
}
