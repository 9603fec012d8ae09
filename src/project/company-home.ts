import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../base/errors.js';
import { inOrder } from '../base/in-order.js';
import { type FileLock, tryLock } from '../base/lock.js';
import type { Log } from '../base/log.js';
import type { Connection } from '../connections/connection.js';
import { CompanyProjects } from '../mirror/company/company-projects.js';
import type { CompanyProject } from '../mirror/company/store.js';
import { leftInOutbox } from '../outbox/intents/left.js';
import { listProjects } from '../procore/resolve-project.js';
import type { Session } from '../procore/session.js';
import { Owned, type Project, projectKey, takeLock } from './project.js';
import type { Lease, Projects, Shared } from './projects.js';
import type { StateFolder } from './state-folder.js';

export const companyKey = (connection: Connection): string => `company-${connection.id}`;

/**
 * The only owner, on this host, of a company's data for mounts: the list of its projects with their names and file
 * numbers. Projects are opened one by one when they are used.
 */
export class CompanyHome {
  readonly company: CompanyProjects;
  readonly connection: Connection;
  readonly #projects: Projects;
  readonly #session: Shared<Session>;
  readonly #lock: FileLock;
  readonly #state: StateFolder;
  readonly #log: Log;
  #isClosed = false;

  private constructor(connection: Connection, projects: Projects, state: StateFolder, lock: FileLock, log: Log) {
    this.connection = connection;
    this.#projects = projects;
    this.#state = state;
    this.#lock = lock;
    this.#log = log;
    const session = projects.session(connection);
    this.#session = session;
    this.company = new CompanyProjects({
      path: join(state.company(connection.id), 'company.db'),
      list: (options) => listProjects(session.value.connection, session.value.client, options),
      log,
    });
  }

  /** @throws Owned if another process owns the company; Failure of listing its projects (once; 1 call for each 100) */
  static async open(connection: Connection, projects: Projects, state: StateFolder, log: Log): Promise<CompanyHome> {
    const lock = takeLock(state.company(connection.id));
    let home: CompanyHome | undefined;
    try {
      home = new CompanyHome(connection, projects, state, lock, log);
      await home.company.open();
      return home;
    } catch (error) {
      if (home) await home.close();
      else lock.release();
      throw error;
    }
  }

  get session(): Session {
    return this.#session.value;
  }

  /** The open projects of the company. */
  get open(): readonly { readonly project: Project; readonly listed: CompanyProject }[] {
    return this.#projects.all.flatMap((project) => {
      const { session } = project;
      const listed = this.company.store.get(session.project.id);
      return session.connection.id === this.connection.id && listed ? [{ project, listed }] : [];
    });
  }

  /**
   * Opens a project of the company and starts its background tasks: 0 calls once it is mirrored.
   * @throws Failure `already-owned` (EBUSY) if another process owns the project, or of the client
   */
  async acquire({ id, remoteName, company }: CompanyProject, signal?: AbortSignal): Promise<Lease> {
    let lease: Lease | undefined;
    try {
      lease = await this.#projects.acquireKnown(this.connection, { id, name: remoteName, company });
      await lease.open(signal);
      lease.start();
      return lease;
    } catch (error) {
      await lease?.release();
      if (!(error instanceof Owned)) throw error;
      const mount = this.#state.mounts().find(({ pid }) => pid === error.pid);
      const why = mount ? `it is mounted at ${mount.mountpoint}` : 'a job or a mount that is ending';
      throw new Failure('already-owned', { pid: error.pid, why }, error);
    }
  }

  /**
   * Opens the projects that have waiting intents or pins, and leaves them to their background tasks. The caches of the
   * other projects count towards the cache limit from now on.
   */
  async goOn(): Promise<void> {
    for (const listed of this.company.store.all) {
      // Each check opens databases on the thread that serves the kernel.
      await setImmediate();
      if (this.#isClosed) return;
      const { id, remoteName: name, company } = listed;
      this.#projects.rest(this.connection, { id, name, company });
      if (!this.#hasLeft(listed)) continue;
      try {
        const lease = await this.acquire(listed);
        await lease.release();
      } catch (error) {
        this.#log.warn({ error, project: listed.name }, 'what waits to go up in a project, or is pinned, cannot go on');
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await inOrder(
      () => this.company.close(),
      () => this.#session.release(),
      () => this.#lock.release(),
    );
  }

  #hasLeft(project: CompanyProject): boolean {
    const folder = this.#state.projectPath(projectKey({ connection: this.connection, project }));
    if (!existsSync(join(folder, 'outbox.db'))) return false;
    // Another process owns the project and takes care of it.
    const lock = tryLock(join(folder, 'lock'));
    if (!lock) return false;
    try {
      const { count, pins } = leftInOutbox(folder);
      return count + pins > 0;
    } catch (error) {
      this.#log.warn({ error, project: project.name }, 'an outbox cannot be read');
      return false;
    } finally {
      lock.release();
    }
  }
}
