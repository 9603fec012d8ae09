import { BandwidthLimiter } from '../base/bandwidth.js';
import { lineOf } from '../base/bandwidth-option.js';
import { systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import { type Log, type LogLevel, openLog } from '../base/log.js';
import type { OptionValues } from '../base/options.js';
import { Connections, requireEnabled } from '../connections/store.js';
import type { DriverName } from '../fuse/driver.js';
import { checkMountpoint } from '../fuse/mountpoint.js';
import { requireDriver } from '../fuse/probe.js';
import { sendingRules } from '../outbox/sending-rules.js';
import { CompanyHome, companyKey } from '../project/company-home.js';
import { Owned, type ProjectOptions, projectKey } from '../project/project.js';
import { Projects } from '../project/projects.js';
import { resolveSource } from '../project/session.js';
import { parseSource, type Source } from '../project/source.js';
import { StateFolder } from '../project/state-folder.js';
import { PreviewBudget } from '../vfs/preview-budget.js';
import type { Privacy } from '../vfs/privacy.js';
import { afterEnding, askDaemon } from './control.js';
import { Daemon, type Home, SHUTDOWN_LIMIT_MS } from './daemon.js';
import { clearDeadMounts } from './dead-mounts.js';
import { controlMethods } from './methods.js';
import type { MountRequest } from './mounted-view.js';

/** What `mount` passes to the daemon process. */
export interface DaemonRequest {
  readonly state: string;
  readonly source: string;
  /** Absolute. */
  readonly mountpoint: string;
  readonly options: OptionValues;
  readonly generic: readonly string[];
  readonly log: string;
}

/**
 * Runs the process behind a mount. Resolves when the mount answers; the process then lives until its last mount has
 * ended or a signal arrives. If another process owns the project or the company, that process makes the mount;
 * `delegated` is then true, and this process has nothing left to do.
 */
export async function runDaemon(request: DaemonRequest): Promise<{ readonly delegated: boolean }> {
  const { log, close: closeLog } = openLog(request.options.log_level as LogLevel, request.log);
  const state = new StateFolder(request.state);
  const { options } = request;
  const projects = new Projects({ state, options, projectOptions: projectOptions(options), lingers: true, log });
  try {
    const source = parseSource(request.source);
    const company = isCompany(state, source);
    const wanted = mountRequest(request, company);
    await clearDeadMounts(state, wanted.mountpoint);
    const mountpoint = await checkMountpoint(wanted.mountpoint, process.getuid?.() ?? 0);
    await requireDriver(wanted.driver, { allowOther: wanted.allowOther });
    const mount = { ...wanted, mountpoint };
    const home = await ownOrDelegate(mount, source, state, projects, log);
    if (!home) {
      await projects.close();
      return { delegated: true };
    }
    const daemon = new Daemon({ state, options, projects, home, methods: controlMethods, logPath: request.log, log });
    await stay(daemon, mount, log, closeLog);
    return { delegated: false };
  } catch (error) {
    log.error({ error }, 'the mount failed');
    await projects.close();
    throw error;
  }
}

/** Whether the source means all projects of a company: it names no project, and the connection is not bound to one. */
function isCompany(state: StateFolder, source: Source): boolean {
  const connection = new Connections(state.path).get(source.connection);
  const isAll = source.project === '' && connection.project === undefined;
  if (isAll && source.folder !== '')
    throw new Failure('usage', { what: `"${source.connection}:/${source.folder}" names a folder, but no project` });
  return isAll;
}

async function stay(daemon: Daemon, mount: MountRequest, log: Log, closeLog: () => void): Promise<void> {
  let isUp = false;
  const starting = new AbortController();
  const ends = (signal: NodeJS.Signals): void =>
    isUp
      ? end(signal, true)
      : starting.abort(new Failure('interrupted', { why: `${signal} came before the mount answered` }));
  // Installed before the mount is made, so that a signal never leaves a mount behind.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, ends);
  await daemon.begin(mount, starting.signal);
  isUp = true;
  // After an unexpected error the process must write nothing more. SIGKILL, as any other exit could wait for the kernel
  // for ever.
  process.on('uncaughtException', (error) => {
    log.error({ error }, 'an error that nobody expected: the daemon ends');
    process.kill(process.pid, 'SIGKILL');
  });
  const end = (why: string, isUrgent = false): void => {
    void daemon.end(why, isUrgent).then(() => {
      closeLog();
      process.exit(0);
    });
  };
  daemon.mounts.whenEmpty(() => end('the last mount is gone'));
}

/** What this process owns; undefined if the owner made the mount. Waits for an owner that is shutting down. */
async function ownOrDelegate(
  mount: MountRequest,
  source: Source,
  state: StateFolder,
  projects: Projects,
  log: Log,
): Promise<Home | undefined> {
  const connections = new Connections(state.path);
  const connection = connections.get(source.connection);
  requireEnabled(connection);
  // The session is held, so that resolving the source and all attempts to open the project cost at most one sign-in.
  const session = projects.session(connection);
  try {
    const project = mount.company ? undefined : await resolveSource(connections, connection, source, session.value);
    const socket = state.socket(project ? projectKey({ connection, project }) : companyKey(connection));
    return await afterEnding(SHUTDOWN_LIMIT_MS, async (): Promise<Home | undefined> => {
      try {
        if (project) return { kind: 'project', lease: await projects.acquireKnown(connection, project) };
        return { kind: 'company', company: await CompanyHome.open(connection, projects, state, log) };
      } catch (error) {
        if (!(error instanceof Owned)) throw error;
        await delegate(socket, mount, error);
        return undefined;
      }
    });
  } finally {
    session.release();
  }
}

/** Lets the owner make the mount. The owner may be shutting down, or may not be a daemon. */
async function delegate(socket: string, mount: MountRequest, owned: Owned): Promise<void> {
  try {
    await askDaemon(socket, 'mount', { request: mount });
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('already-owned', { pid: owned.pid }, error);
  }
}

function mountRequest(request: DaemonRequest, company: boolean): MountRequest {
  const { options } = request;
  const allowOther = options.allow_other === true;
  return {
    mountpoint: request.mountpoint,
    source: request.source,
    company,
    folder: parseSource(request.source).folder,
    driver: options.driver as DriverName,
    allowOther,
    readOnly: options.ro === true,
    syncRemote: options.fsync === 'remote',
    checkout: options.checkout === true,
    strictOwner: options.strict_owner === true,
    idle: Number(options.idle),
    ignoreCase: options.ci === true,
    generic: request.generic,
    ...(options.copy_out === undefined
      ? {}
      : { copyOut: { to: String(options.copy_out), every: Number(options.every) } }),
    owner: {
      uid: Number(options.uid ?? process.getuid?.() ?? 0),
      gid: Number(options.gid ?? process.getgid?.() ?? 0),
      umask: Number(options.umask ?? (allowOther ? 0o022 : 0o077)),
      privacy: options.private as Privacy,
    },
  };
}

/** The options of a project, from the options of a mount or of the command line. */
export function projectOptions(options: OptionValues): ProjectOptions {
  const line = lineOf(options);
  return {
    cacheLimit: Number(options.cache),
    cacheReserve: Number(options.cache_reserve),
    previews: new PreviewBudget(Number(options.preview_budget), () => systemClock.monotonic()),
    downloads: line && new BandwidthLimiter(line.download, systemClock),
    pollInterval: options.poll === undefined ? undefined : Number(options.poll),
    ...sendingRules(options),
    noDelete: options.no_delete === true,
    temporary: options.temp === undefined ? [] : String(options.temp).split(':'),
  };
}
