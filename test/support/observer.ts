import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFailure } from '#src/base/errors.js';
import type { Scenario } from '../scenarios/scenarios.js';
import { Daemon } from './daemon.js';
import type { MountedProject } from './mounted.js';

/** Content by path, null for a folder; folders above what is named need not be. */
export type Tree = Readonly<Record<string, string | null>>;

const conflict = (path: string): string => path.replace(/[^/]* \(conflict [^/]*$/, 'CONFLICT');

/** What is there, with the folders that only hold something left out; names that are listed twice are told. */
async function shown(folder: string): Promise<Map<string, string | null>> {
  const found = new Map<string, string | null>();
  const walk = async (path: string): Promise<void> => {
    const entries = await readdir(join(folder, path), { withFileTypes: true });
    const names = entries.map(({ name }) => name);
    for (const name of new Set(names))
      if (names.filter((one) => one === name).length > 1) found.set(`${join(path, name)} TWICE`, null);
    for (const entry of entries) {
      const at = join(path, entry.name);
      found.set(conflict(at), entry.isDirectory() ? null : await readFile(join(folder, at), 'utf8'));
      if (entry.isDirectory()) await walk(at);
    }
  };
  await walk('');
  return found;
}

/** In words; the folders above what is wanted need not be named. */
function differs(found: ReadonlyMap<string, string | null>, wanted: Tree): string {
  const all = new Map<string, string | null>(Object.entries(wanted));
  for (const path of Object.keys(wanted))
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) all.set(path.slice(0, at), null);
  const wrong: string[] = [];
  for (const [path, content] of found)
    if (!all.has(path)) wrong.push(`${path} should not be there`);
    else if (all.get(path) !== content) wrong.push(`${path} is ${content}, not ${all.get(path)}`);
  for (const path of all.keys()) if (!found.has(path)) wrong.push(`${path} is missing`);
  return wrong.join('; ');
}

function absent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** One who looks in every way, and lets the daemon look at the server in every way. */
export class Observer {
  readonly daemon: Daemon;
  readonly #t: Scenario;
  readonly #project: MountedProject;
  readonly #words: readonly string[];

  constructor(t: Scenario, project: MountedProject, words: readonly string[]) {
    this.#t = t;
    this.#project = project;
    this.#words = words;
    this.daemon = new Daemon(project);
  }

  /**
   * What is in a folder is this, and after so many milliseconds at the latest: what others did reaches the kernel a moment
   * after the daemon.
   */
  async sees(folder: string, wanted: Tree, what: string, within = 0): Promise<void> {
    const end = performance.now() + within;
    let wrong = await this.#wrong(folder, wanted);
    for (; wrong !== '' && performance.now() < end; await sleep(50)) wrong = await this.#wrong(folder, wanted);
    this.#t.equal(wrong, '', what);
  }

  async #wrong(folder: string, wanted: Tree): Promise<string> {
    try {
      return differs(await shown(join(this.#project.mnt, folder)), wanted);
    } catch (error) {
      return String(error);
    }
  }

  /** Polls that show the server as it was so many seconds ago. */
  async polledStale(seconds: number): Promise<void> {
    const { admin } = this.#project.simulator;
    await admin.faults({ 'stale-index': { seconds } });
    await this.daemon.polled();
    await admin.faults({ 'stale-index': 0 });
  }

  /** Lists each folder anew. */
  async listed(): Promise<void> {
    const walk = async (path: string): Promise<void> => {
      await this.daemon.refresh(path).catch((error: unknown) => {
        // What the listing of the folder above has just moved.
        if (!isFailure(error, 'no-such-item')) throw error;
      });
      for (const entry of await readdir(join(this.#project.mnt, path), { withFileTypes: true }))
        if (entry.isDirectory()) await walk(join(path, entry.name)).catch(absent);
    };
    await walk('');
  }

  /** What is in a folder at the server is this. */
  async serverHas(folder: string, wanted: Tree, what: string): Promise<void> {
    const prefix = folder === '' ? '' : `${folder}/`;
    const tree = (await this.#project.simulator.admin.tree()).filter(({ path }) => path.startsWith(prefix));
    const found = tree.map(
      ({ path, sha256, type }) => [conflict(path.slice(prefix.length)), type === 'folder' ? null : sha256!] as const,
    );
    this.#t.equal(differs(new Map(found.filter(([path]) => path !== 'Schedules')), hashed(wanted)), '', what);
  }

  async killed(): Promise<void> {
    const { installation, source, mnt } = this.#project;
    await this.daemon.kill();
    await installation.must(['mount', source, mnt, ...this.#words]);
  }
}

const hashed = (tree: Tree): Tree =>
  Object.fromEntries(
    Object.entries(tree).map(([path, content]) => [
      path,
      content === null ? null : createHash('sha256').update(content).digest('hex'),
    ]),
  );
