import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import { inOrder } from '../base/in-order.js';
import { type Log, type LogLevel, openLog } from '../base/log.js';
import type { OptionValues } from '../base/options.js';
import { Connections } from '../connections/store.js';
import { Projects } from '../project/projects.js';
import type { StateFolder } from '../project/state-folder.js';
import { openServerDatabase } from '../server/access/database.js';
import { parseListen } from '../server/http/listen.js';
import type { TlsFiles } from '../server/http/tls.js';
import { Reach } from '../server/reach.js';
import { Service } from '../server/service.js';
import type { Privacy } from '../vfs/privacy.js';
import { type ConfiguredMount, ConfiguredMounts, readConfiguredMounts } from './configured-mounts.js';
import { inspectHealth } from './health/inspect.js';
import { openJobs } from './jobs/open.js';
import { connectionTotals } from './jobs/totals.js';
import { mountViews } from './mount-views.js';
import { concealsPrivate, mirroredFolder } from './remote-folder.js';
import { projectOptions } from './run.js';
import { readAccess, warningsOf } from './serve-access.js';

/** The folder in which the build puts the web page. */
const PAGE = fileURLToPath(new URL('../page/', import.meta.url));

export interface ServeRequest {
  readonly state: StateFolder;
  readonly options: OptionValues;
  /** Starts the process of a mount; resolves when it answers. The signal ends it before. Absent: nothing is mounted. */
  readonly mount?: (mount: ConfiguredMount, signal: AbortSignal) => Promise<void>;
  /** `HOST:PORT`; undefined: a unix socket in the state folder. */
  readonly listen: string | undefined;
  /** Certificate and key for HTTPS. */
  readonly tls?: TlsFiles | undefined;
  readonly version: string;
}

/** The service: the mounts of the configuration, the jobs of the state folder, and the HTTP API. */
export interface Serving {
  /** URL, or path of the socket. */
  readonly http: string;
  readonly log: Log;
  /** Warnings about the listening address, and about what users can do. */
  readonly warnings: readonly string[];
  /** Reads the certificate and its key again, if there are any. */
  readCertificate(): void;
  close(): Promise<void>;
}

/** @throws Failure `usage`, `no-users`, `listen-refused`, `tls-unusable`, `state-unsafe`, `database-damaged`, … */
export async function openService({ state, options, mount, listen, tls, version }: ServeRequest): Promise<Serving> {
  const place = listen === undefined ? ({ kind: 'socket', path: state.socket('http') } as const) : parseListen(listen);
  if (tls && place.kind === 'socket')
    throw new Failure('usage', { what: 'a unix socket takes no certificate: name an address with --listen' });
  const access = readAccess(state);
  const configured = readConfiguredMounts(state);
  const { log, close: closeLog } = openLog(options.log_level as LogLevel, state.log('serve'));
  const projects = new Projects({ state, options, projectOptions: projectOptions(options), lingers: true, log });
  const opened: (() => Promise<void> | void)[] = [closeLog];
  const close = (): Promise<void> => inOrder(...opened.splice(0).reverse());
  const connections = new Connections(state.path);
  const privacy = options.private as Privacy;
  const reach = Reach.read(state.configFile);
  try {
    opened.push(() => projects.close());
    const mounts = new ConfiguredMounts({
      state,
      mounts: mount ? configured : [],
      start: mount ?? (() => Promise.resolve()),
      log,
    });
    opened.push(() => mounts.close());
    const jobs = openJobs({ state, options, projects, log });
    opened.push(() => jobs.close());
    const database = openServerDatabase(state.path);
    opened.push(() => void database.close());
    const service = await Service.open({
      parts: {
        connections,
        store: jobs.store,
        engine: jobs.engine,
        session: (connection) => projects.session(connection),
        mounts: mounts.views(mountViews(state)),
        reach,
        health: () => inspectHealth(state, options, jobs.store),
        totals: (id, path, mayCrawl, signal) =>
          connectionTotals({ state, projects, connections, mayCrawl }, id, path, signal),
        mirrored: (...words) => mirroredFolder({ state, projects, privacy }, ...words),
        conceals: (isReader) => concealsPrivate(privacy, isReader),
        clock: systemClock,
        log,
      },
      database,
      ...access,
      tls,
      place,
      page: PAGE,
      version,
    });
    opened.push(() => service.close());
    jobs.start();
    await mounts.start();
    log.info({ http: service.http }, 'the service is ready');
    const warnings = warningsOf(place, tls !== undefined, reach, state);
    for (const warning of warnings) log.warn({ http: service.http }, warning);
    return { http: service.http, log, warnings, readCertificate: () => service.readCertificate(), close };
  } catch (error) {
    log.error({ error }, 'the service could not start');
    await close();
    throw error;
  }
}
