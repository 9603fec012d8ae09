import { every, systemClock } from '../base/clock.js';
import { inOrder } from '../base/in-order.js';
import type { Log } from '../base/log.js';
import type { OptionValues } from '../base/options.js';
import { CacheLimit } from '../cache/cache-limit.js';
import { cachedIn } from '../cache/cached-in.js';
import type { Connection } from '../connections/connection.js';
import { Connections } from '../connections/store.js';
import { isLocal } from '../outbox/intents/intent.js';
import type { ResolvedProject } from '../procore/resolve-project.js';
import type { Session } from '../procore/session.js';
import { Owned, Project, type ProjectOptions, projectKey } from './project.js';
import { openSession, projectSession, resolveSource } from './session.js';
import type { Source } from './source.js';
import type { StateFolder } from './state-folder.js';

export interface ProjectsOptions {
  readonly state: StateFolder;
  readonly options: OptionValues;
  readonly projectOptions: ProjectOptions;
  /** An unused project stays open while its outbox has intents or it has pins. */
  readonly lingers?: boolean;
  readonly log: Log;
}

/** A shared value, held until it is released. */
export interface Shared<T> {
  readonly value: T;
  release(): void;
}

/** Keeps a project open until it is released. */
export interface Lease {
  readonly project: Project;
  /** Makes sure that the project's root is in the mirror: 1 call the first time, then none. */
  open(signal?: AbortSignal): Promise<void>;
  /** Starts the background tasks of the project. */
  start(): void;
  /**
   * Resolves when the lease is released and, if it was the last one, the project is closed. Only the first call has an
   * effect.
   */
  release(): Promise<void>;
}

interface Open {
  readonly project: Promise<Project>;
  readonly session: Shared<Session>;
  users: number;
  isStarted: boolean;
  /** Cleans up before the project closes; from `whenOpen`. */
  left: () => Promise<void>;
}

/** Interval at which unused projects are checked for remaining work, milliseconds. */
const CHECK_INTERVAL_MS = 2000;

/** The projects that this process owns, each open as long as it has a lease, and the sessions that they share. */
export class Projects {
  readonly #options: ProjectsOptions;
  readonly #connections: Connections;
  readonly #open = new Map<string, Open>();
  readonly #ready = new Map<string, Project>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #cache = new CacheLimit();
  /** Closed projects whose caches count towards the limit; each function removes one from it. */
  readonly #resting = new Map<string, () => void>();
  readonly #sessions = new Map<string, { readonly session: Session; users: number }>();
  #entered: ((project: Project) => Promise<() => Promise<void>>) | undefined;
  #endLooking: (() => void) | undefined;

  constructor(options: ProjectsOptions) {
    this.#options = options;
    this.#connections = new Connections(options.state.path);
  }

  /** The open projects. */
  get all(): readonly Project[] {
    return [...this.#ready.values()];
  }

  /** An open project by its key. */
  known(key: string): Project | undefined {
    return this.#ready.get(key);
  }

  /**
   * Runs `work` for each project that is open now or opens later. The function that it returns is called before the
   * project closes.
   */
  async whenOpen(work: (project: Project) => Promise<() => Promise<void>>): Promise<void> {
    this.#entered = work;
    for (const [key, project] of this.#ready) this.#open.get(key)!.left = await work(project);
  }

  /**
   * Leases the project that `source` names and opens it if necessary. 0 calls if the connection remembers the project.
   * @throws Owned if another process owns it; Failure of `resolveSource` or of opening its databases
   */
  async acquire(source: Source): Promise<Lease> {
    const connection = this.#connections.get(source.connection);
    const session = this.session(connection);
    try {
      const project = await resolveSource(this.#connections, connection, source, session.value);
      return await this.acquireKnown(connection, project);
    } finally {
      session.release();
    }
  }

  /** @throws Owned if another process owns it; Failure of opening its databases */
  async acquireKnown(connection: Connection, project: ResolvedProject): Promise<Lease> {
    const key = projectKey({ connection, project });
    while (this.#closing.has(key)) await this.#closing.get(key);
    let open = this.#open.get(key);
    if (!open) {
      const session = this.session(connection);
      open = {
        project: this.#opened(key, session, project),
        session,
        users: 0,
        isStarted: false,
        left: async () => undefined,
      };
      this.#open.set(key, open);
    }
    open.users++;
    try {
      await open.project;
    } catch (error) {
      if (this.#open.get(key) === open) {
        this.#open.delete(key);
        open.session.release();
      }
      throw error;
    }
    return this.#lease(key, open, await open.project);
  }

  /** Another lease of an open project. */
  hold(project: Project): Lease {
    const key = projectKey(project.session);
    const open = this.#open.get(key)!;
    open.users++;
    return this.#lease(key, open, project);
  }

  /** The session of a connection. All its projects share it. */
  session(connection: Connection): Shared<Session> {
    const { state, options, log } = this.#options;
    const known = this.#sessions.get(connection.id);
    const shared = known ?? { session: openSession(state, connection, options, log), users: 0 };
    this.#sessions.set(connection.id, shared);
    shared.users++;
    let isReleased = false;
    return {
      value: shared.session,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        if (--shared.users > 0) return;
        this.#sessions.delete(connection.id);
        shared.session.close().catch((error: unknown) => log.error({ error }, 'a session did not end cleanly'));
      },
    };
  }

  /** Registers the cache of a closed project: it counts towards the limit and is evicted when space is needed. */
  rest(connection: Connection, project: ResolvedProject): void {
    const key = projectKey({ connection, project });
    if (this.#open.has(key) || this.#resting.has(key)) return;
    const { occupied, oldestUse } = cachedIn(this.#options.state.projectPath(key));
    if (occupied === 0) return;
    const evict = async (bytes: number): Promise<number> => {
      let lease: Lease | undefined;
      try {
        lease = await this.acquireKnown(connection, project);
        return await lease.project.content.evict(bytes);
      } catch (error) {
        if (!(error instanceof Owned))
          this.#options.log.warn({ error, project: key }, 'a closed project keeps its cache');
        return 0;
      } finally {
        await lease?.release();
      }
    };
    this.#resting.set(key, this.#cache.join({ occupied, oldestUse: async () => oldestUse, evict }));
  }

  /** Closes all projects and sessions, even those in use. */
  async close(): Promise<void> {
    this.#endLooking?.();
    await Promise.allSettled([...this.#open.values()].map(({ project }) => project));
    await Promise.all(this.#closing.values());
    await Promise.all([...this.#ready].map(([key, project]) => this.#close(key, project)));
    await Promise.all([...this.#sessions.values()].map(({ session }) => session.close()));
    this.#sessions.clear();
  }

  async #opened(key: string, session: Shared<Session>, resolved: ResolvedProject): Promise<Project> {
    const { state, projectOptions, log } = this.#options;
    const shared = { ...projectOptions, cacheShared: this.#cache };
    const project = await Project.open(projectSession(session.value, resolved), state, shared, log);
    this.#resting.get(key)?.();
    this.#resting.delete(key);
    this.#ready.set(key, project);
    try {
      const left = await this.#entered?.(project);
      if (left) this.#open.get(key)!.left = left;
    } catch (error) {
      this.#ready.delete(key);
      await project.close();
      throw error;
    }
    return project;
  }

  #lease(key: string, open: Open, project: Project): Lease {
    let isReleased = false;
    return {
      project,
      open: (signal) => project.mirror.open(signal),
      start: () => start(open, project),
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        open.users--;
        await this.#unused(key, open, project);
      },
    };
  }

  /** Closes a project without leases, unless it lingers because it has work left. */
  async #unused(key: string, open: Open, project: Project): Promise<void> {
    if (open.users > 0 || this.#open.get(key) !== open) return;
    if (this.#options.lingers === true && hasWork(project)) {
      start(open, project);
      const { clock = systemClock } = this.#options.projectOptions;
      this.#endLooking ??= every(clock, CHECK_INTERVAL_MS, () => this.#closeUnused());
    } else await this.#close(key, project);
  }

  #closeUnused(): void {
    let waiting = 0;
    for (const [key, open] of this.#open) {
      const project = this.#ready.get(key);
      if (!project || open.users > 0) continue;
      if (hasWork(project)) waiting++;
      else void this.#close(key, project);
    }
    if (waiting > 0) return;
    this.#endLooking?.();
    this.#endLooking = undefined;
  }

  /** Never rejects. */
  #close(key: string, project: Project): Promise<void> {
    const { left, session } = this.#open.get(key)!;
    this.#open.delete(key);
    this.#ready.delete(key);
    const closing = (async () => {
      try {
        await inOrder(left, () => project.close());
        if (this.#options.lingers) this.rest(project.session.connection, project.session.project);
      } catch (error) {
        this.#options.log.error({ error, project: key }, 'a project did not end cleanly');
      } finally {
        session.release();
        this.#closing.delete(key);
      }
    })();
    this.#closing.set(key, closing);
    return closing;
  }
}

function start(open: Open, project: Project): void {
  if (open.isStarted) return;
  open.isStarted = true;
  project.start();
}

/** Whether a project has pins, or intents that wait to be sent or for a decision. */
function hasWork({ outbox, pins }: Project): boolean {
  if (pins.size > 0) return true;
  for (const intent of outbox.intents.all()) if (!isLocal(intent)) return true;
  return false;
}
