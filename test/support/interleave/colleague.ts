import { type AdminChange, applyChange } from '#src/simulator/admin/changes.js';
import { people, SERVICE_ACCOUNT } from '#src/simulator/generate/people.js';
import { Flag } from '#src/simulator/store/flag.js';
import { ROOT_ROW } from '#src/simulator/store/items.js';
import type { Witness } from '../witness.js';
import type { HeldServer } from './held-server.js';

/** What a colleague does in the web application, or by another program: sees what is there now, and changes it. */
export class Colleague {
  readonly #server: HeldServer;
  readonly #witness: Witness;

  constructor(server: HeldServer, witness: Witness) {
    this.#server = server;
    this.#witness = witness;
  }

  /** Paths of the live items below a folder, with the content of each file. */
  tree(top: string): Map<string, string | undefined> {
    const { store } = this.#server.project;
    const found = new Map<string, string | undefined>();
    for (const row of store.subtree(ROOT_ROW, undefined, (one) => !store.has(one, Flag.deleted | Flag.bin))) {
      const path = row === ROOT_ROW ? '' : store.path(row);
      if (path.startsWith(`${top}/`)) found.set(path, this.#content(store.version.get(row)));
    }
    return found;
  }

  /** What is in the recycle bin and may not be seen by the account: no call tells that it was in a folder that went there. */
  unseeable(): Set<string> {
    const { store } = this.#server.project;
    const rows = store.subtree(ROOT_ROW).filter((row) => {
      return store.has(row, Flag.hidden) && store.has(row, Flag.deleted | Flag.binned);
    });
    return new Set(rows.flatMap((row) => this.#content(store.version.get(row)) ?? []));
  }

  /** The contents of all versions of these items, and of all that was ever in them. */
  everOf(ids: readonly number[]): Set<string> {
    const { store, ids: known } = this.#server.project;
    const found = new Set<string>();
    for (const id of ids) {
      const top = Math.max(known.row(id, 'file'), known.row(id, 'folder'));
      for (const row of top <= ROOT_ROW ? [] : [top, ...store.subtree(top)])
        for (const version of store.versionsOf(row)) found.add(this.#content(version)!);
    }
    return found;
  }

  /** Where a live item is, by its id. */
  pathOf(id: number): string | undefined {
    const { store, ids } = this.#server.project;
    const row = Math.max(ids.row(id, 'file'), ids.row(id, 'folder'));
    return row <= ROOT_ROW || store.has(row, Flag.deleted | Flag.bin) ? undefined : store.path(row);
  }

  /** The content of a version, by its id. */
  ofVersion(id: number): string | undefined {
    const { store, ids } = this.#server.project;
    for (let version = store.versions - 1; version >= 0; version--)
      if (ids.version(version) === id) return this.#content(version);
    return undefined;
  }

  create(path: string): void {
    const content = this.#witness.fresh('theirs');
    this.#change({ op: 'create', path, content });
    this.#witness.wrote(content, `a colleague made ${path}`);
  }

  /** @param isSameAccount it is the person of this account, at another machine */
  update(path: string, isSameAccount = false): void {
    const before = this.tree(path.slice(0, path.lastIndexOf('/'))).get(path);
    const content = this.#witness.fresh('theirs');
    const by = isSameAccount ? { by: people[SERVICE_ACCOUNT]!.login } : {};
    this.#change({ op: 'update', path, content, ...by });
    this.#witness.gaveUp(before, `a colleague saved ${path}`);
    this.#witness.wrote(content, `a colleague saved ${path}`);
  }

  mkdir(path: string): void {
    this.#change({ op: 'create', type: 'folder', path });
  }

  /** A file, or a folder with all that is in it. */
  delete(path: string): void {
    const all = this.tree(path.split('/')[0]!);
    const type = all.get(path) === undefined ? 'folder' : 'file';
    const folder = type === 'folder' ? this.#everIn(path) : [];
    this.#change({ op: 'delete', path, type });
    // With a folder goes what our own client has taken out of it a moment ago, and would bring back.
    const going = type === 'folder' ? folder : [all.get(path)];
    for (const content of going) this.#witness.gaveUp(content, `a colleague deleted ${path}`);
  }

  move(from: string, to: string): void {
    this.#change({ op: 'rename', path: from, to });
  }

  show(path: string, visible: boolean): void {
    this.#change({ op: 'permission', path, visible });
  }

  /** The contents of the files in a folder, with those that are in the recycle bin. */
  #everIn(path: string): (string | undefined)[] {
    const { store } = this.#server.project;
    return store
      .subtree(ROOT_ROW)
      .filter((row) => row !== ROOT_ROW && store.path(row).startsWith(`${path}/`))
      .map((row) => this.#content(store.version.get(row)));
  }

  #change(change: AdminChange): void {
    applyChange(this.#server.world, change);
  }

  #content(version: number): string | undefined {
    if (version < 0) return undefined;
    const { world, project } = this.#server;
    const size = project.store.versionSize.get(version);
    const parts = world.contents.read(project.index, project.store, version, 0, size) as Iterable<Buffer>;
    return Buffer.concat([...parts]).toString();
  }
}
