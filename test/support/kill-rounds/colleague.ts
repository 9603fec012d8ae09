import type { AdminChange } from '#src/simulator/admin/changes.js';
import type { Admin, Changed, TreeEntry } from '../simulator.js';
import { contentOf } from './contents.js';
import type { Ledger } from './ledger.js';

const NAMES = 6;
const FOLDERS = ['d', 'e', 'f'];

/** What a colleague does in the web application meanwhile: sees what is there now, and changes it. */
export class Colleague {
  readonly #admin: Admin;
  readonly #random: () => number;
  #count = 0;
  /** Changes that the server took. */
  made = 0;

  constructor(admin: Admin, random: () => number) {
    this.#admin = admin;
    this.#random = random;
  }

  /** Something is there already, which both will have seen. */
  async begin(ledger: Ledger, areas: readonly string[]): Promise<void> {
    for (const area of areas) {
      await this.#try(() => this.#mkdir(area));
      for (const path of [`${area}/0.txt`, `${area}/1.txt`]) await this.#try(() => this.#create(ledger, path));
      if (this.#random() < 0.7) {
        await this.#try(() => this.#mkdir(`${area}/d`));
        for (const path of [`${area}/d/0.txt`, `${area}/d/2.txt`])
          if (this.#random() < 0.7) await this.#try(() => this.#create(ledger, path));
      }
    }
  }

  /** One act. @returns what it was, and what came of it */
  async act(ledger: Ledger, areas: readonly string[]): Promise<string> {
    const area = this.#pick(areas)!;
    const tree = (await this.#admin.tree({ hash: false })).filter(({ path }) => path.startsWith(`${area}/`));
    const file = this.#pick(tree.filter(({ type }) => type === 'file'));
    const folder = this.#pick(tree.filter(({ type }) => type === 'folder'));
    const parents = [area, ...tree.filter(({ type }) => type === 'folder').map(({ path }) => path)];
    const place = `${this.#pick(parents)}/${this.#integer(NAMES)}.txt`;
    const draw = this.#random() * 100;
    if (draw < 18 || (!file && draw < 80)) return this.#say(`makes ${place}`, () => this.#create(ledger, place));
    if (file && draw < 60) return this.#say(`saves ${file.path}`, () => this.#save(ledger, file));
    if (file && draw < 69) return this.#say(`deletes ${file.path}`, () => this.#delete(ledger, file));
    if (file && draw < 80) return this.#say(`moves ${file.path} to ${place}`, () => this.#move(ledger, file, place));
    if (draw < 86 || !folder) {
      const made = `${this.#pick(parents)}/${this.#pick(FOLDERS)}`;
      return this.#say(`makes ${made}`, () => this.#mkdir(made));
    }
    if (draw < 91) return this.#say(`deletes ${folder.path}`, () => this.#deleteFolder(ledger, folder));
    const to = `${area}/${this.#pick(FOLDERS)} ${this.#integer(3)}`;
    return this.#say(`moves ${folder.path} to ${to}`, () => this.#move(ledger, folder, to));
  }

  /** Calls so far that may have told of a version. */
  async told(): Promise<number> {
    const { byRoute } = await this.#admin.calls();
    const routes = Object.entries(byRoute).filter(([route]) => !route.includes('uploads'));
    return routes.reduce((sum, [, count]) => sum + count, 0);
  }

  async #create(ledger: Ledger, path: string): Promise<void> {
    await this.#put(ledger, { op: 'create', path });
  }

  async #save(ledger: Ledger, { path }: TreeEntry): Promise<void> {
    await this.#put(ledger, { op: 'update', path });
  }

  async #put(ledger: Ledger, change: AdminChange): Promise<void> {
    const stamp = `theirs ${String(this.#count++).padStart(6, '0')}|`;
    const bytes = Buffer.alloc(stamp.length * 2 + this.#integer(1500), stamp);
    const told = await this.told();
    const began = performance.now();
    const made = await this.#change({ ...change, content: bytes.toString() });
    ledger.saved(contentOf(bytes), { id: made.id, path: change.path!, began, told }, made.number!);
  }

  async #delete(ledger: Ledger, { path }: TreeEntry): Promise<void> {
    const { id, number } = await this.#change({ op: 'delete', path, type: 'file' });
    ledger.deleted(id, number!, path);
  }

  async #deleteFolder(ledger: Ledger, { path }: TreeEntry): Promise<void> {
    await this.#change({ op: 'delete', path, type: 'folder' });
    const all = await this.#admin.history();
    const inside = all.filter((one) => one.type === 'file' && one.path.startsWith(`${path}/`));
    ledger.deletedWith(
      inside.map(({ history }) => history[0]!),
      path,
    );
  }

  async #move(ledger: Ledger, { path, type }: TreeEntry, to: string): Promise<void> {
    const told = await this.told();
    const change = { op: 'rename', path, type, to };
    const moved = await this.#change(change);
    ledger.moved(change, moved.id, told);
  }

  async #mkdir(path: string): Promise<void> {
    await this.#change({ op: 'create', type: 'folder', path });
  }

  async #change(change: AdminChange): Promise<Changed> {
    const changed = await this.#admin.change(change);
    this.made++;
    return changed;
  }

  async #say(what: string, work: () => Promise<void>): Promise<string> {
    const error = await this.#try(work);
    return error === undefined ? what : `${what}: ${error}`;
  }

  /** What is taken, or not there any more, people are told. */
  async #try(work: () => Promise<void>): Promise<string | undefined> {
    try {
      await work();
      return undefined;
    } catch (error) {
      if (!/: 4\d\d /.test((error as Error).message)) throw error;
      return (error as Error).message;
    }
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#integer(from.length)];
  }

  #integer(below: number): number {
    return Math.floor(this.#random() * below);
  }
}
