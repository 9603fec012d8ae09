import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asNodeId, type NodeId, ROOT_NODE } from '#src/base/ids.js';
import { type Log, silentLog } from '#src/base/log.js';
import type { Windows } from '#src/budget/window-state.js';
import { Connections } from '#src/connections/store.js';
import type { Context, Entry } from '#src/fuse/filesystem.js';
import type { WritingOperations } from '#src/fuse/operations.js';
import { orderOf } from '#src/outbox/scheduler/order.js';
import { Project, type ProjectOptions, projectKey } from '#src/project/project.js';
import { openProjectSession, type ProjectSession } from '#src/project/session.js';
import { StateFolder } from '#src/project/state-folder.js';
import { ProjectFileSystem } from '#src/vfs/project-filesystem.js';
import { until } from './processes.js';
import { PROJECT_OPTIONS } from './project-options.js';
import { addConnection } from './simulated-connection.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from './simulator.js';

export const context: Context = { uid: 1000, gid: 1000, pid: 1, signal: new AbortController().signal };

/** A project in this process, without a kernel: file system calls go straight into the vfs. */
export interface OpenProject {
  readonly simulator: RunningSimulator;
  readonly state: StateFolder;
  readonly project: Project;
  readonly fileSystem: WritableProject;
  /** What is kept of the project. */
  readonly folder: string;
  /** Closes the project and opens it anew from the same state, to which something may be done in between. */
  reopen(options?: Partial<ProjectOptions>, between?: () => unknown): Promise<OpenProject>;
  drain(): Promise<void>;
  /** Tries everything once, also what fails in passing and would be tried again. */
  tryAll(): Promise<void>;
}

export type WritableProject = ProjectFileSystem & { readonly writable: WritingOperations };

/** A file system of a project, as one mount has it. */
export function fileSystemOf(project: Project, checkout = false, log: Log = silentLog): WritableProject {
  const { mirror, outbox, checkouts, pins, readers, versions, pinKeeper } = project;
  const owner = { uid: 1000, gid: 1000, umask: 0o022 };
  const parts = { mirror, outbox, checkouts, pins, readers, versions, webUrl: () => '' };
  return new ProjectFileSystem(parts, { owner, log }, { checkout, strictOwner: false, pinKeeper }) as WritableProject;
}

/** What the server has now is known here: a poll that is under way already may have asked before. */
export async function polled({ mirror }: Project): Promise<void> {
  for (let n = 0; n < 2; n++) await mirror.pollNow(context.signal);
}

export async function openProject(
  t: { teardown(cleanup: () => unknown): unknown },
  settings: SimulatorSettings = {},
  options: Partial<ProjectOptions> = {},
  windows?: Windows,
): Promise<OpenProject> {
  const running = await simulator(t, { items: 0, oddNames: 'no', spike: 3000, hourly: 1_000_000, ...settings });
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-project-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  addConnection(new Connections(folder), running.ready);
  return openProjectIn(t, running, folder, options, windows);
}

/** As `openProject`, of a simulator and a state folder that are there. */
export async function openProjectIn(
  t: { teardown(cleanup: () => unknown): unknown },
  running: RunningSimulator,
  folder: string,
  options: Partial<ProjectOptions> = {},
  windows?: Windows,
): Promise<OpenProject> {
  const { ready } = running;
  const state = new StateFolder(folder);
  let session: ProjectSession | undefined;
  let project: Project | undefined;
  const close = async (): Promise<void> => {
    await project?.close();
    await session?.close();
    project = undefined;
    session = undefined;
  };
  t.teardown(close);
  const open = async (more: Partial<ProjectOptions>): Promise<OpenProject> => {
    const source = { connection: 'Procore', project: String(ready.projects[0]!.id), folder: '' };
    session = await openProjectSession(state, source, { budget_wait: 30 }, silentLog, windows);
    const opened = await Project.open(session, state, { ...PROJECT_OPTIONS, ...options, ...more }, silentLog);
    project = opened;
    await opened.mirror.open();
    opened.start();
    const fileSystem = fileSystemOf(opened);
    fileSystem.mounted({
      canInvalidate: false,
      invalidateNode: () => Promise.resolve(true),
      invalidateEntry: () => Promise.resolve(),
    });
    return {
      simulator: running,
      state,
      project: opened,
      fileSystem,
      folder: state.projectPath(projectKey(opened.session)),
      async reopen(again = {}, between = () => undefined) {
        fileSystem.destroy();
        await close();
        await between();
        return open(again);
      },
      async tryAll() {
        const { outbox, scheduler } = opened;
        const end = new AbortController();
        const draining = scheduler.drain(end.signal).catch(() => undefined);
        await until(() =>
          [...outbox.intents.all()].every(
            (one) =>
              !scheduler.isUnderWay(one.inode) &&
              (['failed', 'refused', 'local'].includes(one.state) || orderOf(one, outbox).kind !== 'go'),
          ),
        );
        end.abort();
        await draining;
      },
      async drain() {
        const left = await opened.scheduler.drain(AbortSignal.timeout(120_000));
        if (left.length > 0)
          throw new Error(`left: ${JSON.stringify(left.map((one) => [one.here.name, one.state, one.reason]))}`);
      },
    };
  };
  return open({});
}

/** File operations by path, as a program makes them through the kernel. */
export class Files {
  readonly #fs: WritableProject;

  constructor(fileSystem: WritableProject) {
    this.#fs = fileSystem;
  }

  async entry(path: string): Promise<Entry> {
    let node: NodeId = ROOT_NODE;
    let entry: Entry = await this.#fs.getattr(node, undefined, context);
    for (const name of path.split('/').filter((part) => part !== '')) {
      if ((entry.attributes.mode & 0o170000) !== 0o040000) throw errno('ENOTDIR');
      const found = await this.#fs.lookup(node, name, context);
      if (found.node === undefined) throw errno('ENOENT');
      entry = found;
      node = found.node;
    }
    return entry;
  }

  async exists(path: string): Promise<boolean> {
    return this.entry(path).then(
      () => true,
      () => false,
    );
  }

  async list(path: string): Promise<string[]> {
    const { node } = await this.entry(path);
    const { handle } = await this.#fs.opendir(node, context);
    const names: string[] = [];
    for (let cookie = 0; ; ) {
      const { entries } = await this.#fs.readdir(node, handle, cookie, 1000, context);
      if (entries.length === 0) break;
      for (const one of entries) if (one.name !== '.' && one.name !== '..') names.push(one.name);
      cookie = entries.at(-1)!.cookie;
    }
    this.#fs.releasedir(node, handle);
    return names.sort();
  }

  async read(path: string): Promise<Buffer> {
    const { node, attributes } = await this.entry(path);
    if ((attributes.mode & 0o170000) === 0o040000) throw errno('EISDIR');
    const { handle } = await this.#fs.open(node, 0, context);
    const { bytes } = await this.#fs.read(node, handle, 0, 10_000_000, context);
    this.#fs.release(node, handle);
    return Buffer.from(bytes);
  }

  /** open, write at an offset (or truncate first), close. */
  async write(path: string, content: string, how: 'replace' | 'append' | number = 'replace'): Promise<void> {
    const existing = await this.entry(path).catch(() => undefined);
    const { writable } = this.#fs;
    let node: NodeId;
    let handle: number;
    if (existing) {
      if ((existing.attributes.mode & 0o170000) === 0o040000) throw errno('EISDIR');
      node = existing.node;
      ({ handle } = await this.#fs.open(node, how === 'replace' ? 0o1001 : 1, context));
    } else {
      const [parent, name] = await this.#place(path);
      const made = await writable.create(parent, name, 0o644, 0o101, context);
      node = made.entry.node;
      handle = made.file.handle;
    }
    const { size } = (await this.#fs.getattr(node, undefined, context)).attributes;
    const offset = how === 'append' ? size : typeof how === 'number' ? how : 0;
    try {
      await writable.write(node, handle, offset, Buffer.from(content), context);
      await writable.flush(node, handle, context);
    } finally {
      this.#fs.release(node, handle);
    }
  }

  async truncate(path: string, size: number): Promise<void> {
    const { node, attributes } = await this.entry(path);
    if ((attributes.mode & 0o170000) === 0o040000) throw errno('EISDIR');
    await this.#fs.writable.setattr(asNodeId(node), { size }, undefined, context);
  }

  async mkdir(path: string): Promise<void> {
    const [parent, name] = await this.#place(path);
    await this.#fs.writable.mkdir(parent, name, 0o755, context);
  }

  async unlink(path: string): Promise<void> {
    const [parent, name] = await this.#place(path);
    await this.#fs.writable.unlink(parent, name, context);
  }

  async rmdir(path: string): Promise<void> {
    const [parent, name] = await this.#place(path);
    await this.#fs.writable.rmdir(parent, name, context);
  }

  async rename(from: string, to: string): Promise<void> {
    const [parent, name] = await this.#place(from);
    const [newParent, newName] = await this.#place(to);
    await this.#fs.writable.rename(parent, name, newParent, newName, true, context);
  }

  async #place(path: string): Promise<[NodeId, string]> {
    const at = path.lastIndexOf('/');
    const parent = await this.entry(at < 0 ? '' : path.slice(0, at));
    if ((parent.attributes.mode & 0o170000) !== 0o040000) throw errno('ENOTDIR');
    return [parent.node, path.slice(at + 1)];
  }
}

function errno(name: string): Error {
  return Object.assign(new Error(name), { errno: name });
}

/** The errno that an operation failed with, or undefined. */
export async function errnoOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    const { errno: name } = error as { errno?: string };
    if (name === undefined || name === 'EIO') throw error;
    return name;
  }
}
