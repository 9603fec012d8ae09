import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, silentLog } from '#src/base/log.js';
import { Connections } from '#src/connections/store.js';
import { Session } from '#src/procore/session.js';
import { Project, type ProjectOptions } from '#src/project/project.js';
import { projectSession, resolveSource } from '#src/project/session.js';
import { StateFolder } from '#src/project/state-folder.js';
import { Files, fileSystemOf, type WritableProject } from '../project.js';
import { PROJECT_OPTIONS } from '../project-options.js';
import { addConnection } from '../simulated-connection.js';
import { HeldServer } from './held-server.js';
import { HeldTime } from './held-time.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** Milliseconds: changes rest, and polls come when somebody asks for one. */
const OPTIONS = { ...PROJECT_OPTIONS, settle: 2000, deleteDelay: 3000, pollInterval: 1e9 };

/** A project in this process that lives in held time. */
export class HeldProject {
  readonly project: Project;
  readonly fileSystem: WritableProject;
  readonly files: Files;
  readonly #session: Session;

  private constructor(project: Project, session: Session, log: Log) {
    this.project = project;
    this.#session = session;
    this.fileSystem = fileSystemOf(project, false, log);
    this.fileSystem.mounted({
      canInvalidate: false,
      invalidateNode: () => Promise.resolve(true),
      invalidateEntry: () => Promise.resolve(),
    });
    this.files = new Files(this.fileSystem);
  }

  static async open(
    server: HeldServer,
    time: HeldTime,
    state: StateFolder,
    more: Partial<ProjectOptions> = {},
    log: Log = silentLog,
  ): Promise<HeldProject> {
    const connections = new Connections(state.path);
    const connection = connections.get('Procore');
    const session = new Session(connection, {
      stateFolder: state.path,
      secrets: connections.secrets,
      log,
      clock: time,
      boot: { id: 'held', now: () => time.monotonic() },
    });
    const source = { connection: 'Procore', project: String(server.project.id), folder: '' };
    const resolved = await resolveSource(connections, connection, source, session);
    const options = { ...OPTIONS, clock: time, ...more };
    const project = await Project.open(projectSession(session, resolved), state, options, log);
    await project.mirror.open();
    project.start();
    return new HeldProject(project, session, log);
  }

  /** With a server of its own and a state folder, and time that passes. `reopen` closes it while time stands still. */
  static async alone(
    t: Teardown,
  ): Promise<{ time: HeldTime; server: HeldServer; place: HeldProject; reopen: () => Promise<HeldProject> }> {
    const time = new HeldTime(Date.now());
    const server = await HeldServer.start(t, () => time.now());
    const folder = mkdtempSync(join(tmpdir(), 'procorefs-held-'));
    addConnection(new Connections(folder), server.ready);
    let isPassing = true;
    const passing = setInterval(() => isPassing && time.pass(1000), 2);
    const state = new StateFolder(folder);
    let place = await HeldProject.open(server, time, state);
    const reopen = async (): Promise<HeldProject> => {
      isPassing = false;
      await place.close();
      isPassing = true;
      place = await HeldProject.open(server, time, state);
      return place;
    };
    t.teardown(async () => {
      isPassing = true;
      server.letAllGo();
      await place.close();
      clearInterval(passing);
      rmSync(folder, { recursive: true, force: true });
    });
    return { time, server, place, reopen };
  }

  async close(): Promise<void> {
    this.fileSystem.destroy();
    await this.project.close();
    await this.#session.close();
  }
}
