import { systemClock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import { type Log, type LogLevel, openLog } from '../base/log.js';
import type { OptionValues } from '../base/options.js';
import { Connections } from '../connections/store.js';
import type { DriverName } from '../fuse/filesystem.js';
import { checkMountpoint } from '../fuse/mountpoint.js';
import { requireDriver } from '../fuse/probe.js';
import type { Privacy } from '../vfs/privacy.js';
import { askDaemon, ControlServer } from './control.js';
import { clearDeadMounts } from './dead-mounts.js';
import { CopyOuts } from './jobs/copy-out.js';
import { openJobs } from './jobs/open.js';
import { controlMethods } from './methods.js';
import { type MountRequest, Mounts } from './mounts.js';
import { Owned, Project, type ProjectOptions, projectKey } from './project.js';
import { openProjectSession, type ProjectSession } from './session.js';
import { parseSource } from './source.js';
import { StateFolder } from './state-folder.js';

/** What `mount` hands to the process that stays. */
export interface DaemonRequest {
  readonly state: string;
  readonly source: string;
  /** Absolute. */
  readonly mountpoint: string;
  readonly options: OptionValues;
  readonly generic: readonly string[];
  readonly log: string;
}

/** How long a daemon that was told to end may take for it, milliseconds. */
const SHUTDOWN_LIMIT = 90_000;
/** Of it, for bringing the outbox to the server, milliseconds. */
const DRAIN_LIMIT = 60_000;

/**
 * The process behind a mount. Resolves when the mount answers; the process then lives until the last mount of the
 * project has ended or a signal comes. When another process owns the project, that one makes the mount, and
 * `delegated` says that this process has nothing left to do.
 */
export async function runDaemon(request: DaemonRequest): Promise<{ readonly delegated: boolean }> {
  const { log, close: closeLog } = openLog(request.options.log_level as LogLevel, request.log);
  const state = new StateFolder(request.state);
  const mount = mountRequest(request);
  const session = await openProjectSession(state, parseSource(request.source), request.options, log);
  try {
    await clearDeadMounts(state, mount.mountpoint);
    const mountpoint = await checkMountpoint(mount.mountpoint, process.getuid?.() ?? 0);
    await requireDriver(mount.driver, { allowOther: mount.allowOther });
    return await own(request, { ...mount, mountpoint }, state, session, log, closeLog);
  } catch (error) {
    log.error({ error }, 'the mount failed');
    await session.close();
    throw error;
  }
}

async function own(
  request: DaemonRequest,
  mount: MountRequest,
  state: StateFolder,
  session: ProjectSession,
  log: Log,
  closeLog: () => void,
): Promise<{ readonly delegated: boolean }> {
  const socket = state.socket(projectKey(session));
  const project = await openOrDelegate(request, mount, state, session, socket, log);
  if (!project) {
    await session.close();
    return { delegated: true };
  }
  const mounts = new Mounts(project, log);
  const jobs = openJobs({
    state,
    options: request.options,
    projectOptions: projectOptions(request.options),
    own: project,
    log,
  });
  const remember = (added: MountRequest): void =>
    state.writeMount({
      mountpoint: added.mountpoint,
      source: added.source,
      pid: process.pid,
      since: Date.now(),
      socket,
      log: request.log,
    });
  mounts.onEnded = (mountpoint) => state.removeMount(mountpoint);
  let control: ControlServer | undefined;
  let ending: Promise<void> | undefined;
  const end = (why: string): Promise<void> => {
    ending ??= (async () => {
      log.info({ why }, 'the daemon ends');
      const limit = setTimeout(() => process.exit(1), SHUTDOWN_LIMIT);
      await jobs.close();
      await mounts.close().catch((error: unknown) => log.error({ error }, 'unmounting failed'));
      await project.scheduler.drain(AbortSignal.timeout(DRAIN_LIMIT)).then(
        (left) => left.length > 0 && log.warn({ left: left.length }, 'changes are left for the next mount'),
        (error: unknown) => log.warn({ error }, 'changes are left for the next mount'),
      );
      await control?.close();
      await project.close();
      await session.close();
      clearTimeout(limit);
      closeLog();
    })();
    return ending;
  };
  try {
    await project.mirror.open();
    const connections = new Connections(state.path);
    const copyOuts = new CopyOuts(jobs.engine, connections, session);
    const addMount = async (added: MountRequest): Promise<void> => {
      if (ending) throw new Failure('daemon-ending');
      await copyOuts.check(added);
      await mounts.add(added);
      remember(added);
      copyOuts.apply(mounts.requests);
    };
    control = await ControlServer.open(socket, controlMethods(project, mounts, addMount, jobs, connections), log);
    await addMount(mount);
  } catch (error) {
    await end('it could not start');
    throw error;
  }
  project.start();
  jobs.start();
  // A process that has lost its way must not go on writing; ending in any other way could wait for the kernel for ever.
  process.on('uncaughtException', (error) => {
    log.error({ error }, 'an error that nobody expected: the daemon ends');
    process.kill(process.pid, 'SIGKILL');
  });
  mounts.whenEmpty(() => void end('the last mount is gone').then(() => process.exit(0)));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => void end(signal).then(() => process.exit(0)));
  return { delegated: false };
}

/** The project, or undefined when its owner made the mount. An owner that is ending is waited for. */
async function openOrDelegate(
  request: DaemonRequest,
  mount: MountRequest,
  state: StateFolder,
  session: ProjectSession,
  socket: string,
  log: Log,
): Promise<Project | undefined> {
  for (const limit = Date.now() + SHUTDOWN_LIMIT; ; await systemClock.sleep(200)) {
    try {
      return await Project.open(session, state, projectOptions(request.options), log);
    } catch (error) {
      if (!(error instanceof Owned)) throw error;
      try {
        await delegate(socket, mount, error);
        return undefined;
      } catch (refused) {
        const isEnding = isFailure(refused, 'daemon-ending') || isFailure(refused, 'already-owned');
        if (!isEnding || Date.now() > limit) throw refused;
      }
    }
  }
}

/** Lets the owner make the mount; it may be ending just now, or be something else than a daemon. */
async function delegate(socket: string, mount: MountRequest, owned: Owned): Promise<void> {
  try {
    await askDaemon(socket, 'mount', { request: mount });
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('already-owned', { pid: owned.pid }, error);
  }
}

function mountRequest(request: DaemonRequest): MountRequest {
  const { options } = request;
  const allowOther = options.allow_other === true;
  return {
    mountpoint: request.mountpoint,
    source: request.source,
    folder: parseSource(request.source).folder,
    driver: options.driver as DriverName,
    allowOther,
    readOnly: options.ro === true,
    syncRemote: options.fsync === 'remote',
    checkout: options.checkout === true,
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

/** How a project is owned, from the options of a mount or of the command line. */
export function projectOptions(options: OptionValues): ProjectOptions {
  return {
    cacheLimit: Number(options.cache),
    cacheReserve: Number(options.cache_reserve),
    previewBudget: Number(options.preview_budget),
    pollInterval: options.poll === undefined ? undefined : Number(options.poll),
    settle: Number(options.settle) * 1000,
    deleteDelay: Number(options.delete_delay) * 1000,
    holdAfter: Number(options.hold_after),
    noDelete: options.no_delete === true,
    temporary: options.temp === undefined ? [] : String(options.temp).split(':'),
  };
}
