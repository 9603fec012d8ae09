import { AllowedHosts, allowedHostsSchema } from '../../base/allowed-hosts.js';
import { readSection } from '../../base/configuration.js';
import { inOrder } from '../../base/in-order.js';
import type { OptionValues } from '../../base/options.js';
import { sweepTemporary } from '../../endpoints/temporary.js';
import { programsSchema, waysSchema } from '../../jobs/definition/job-schema.js';
import { JobEngine } from '../../jobs/engine.js';
import { Notifier } from '../../jobs/notify/notifier.js';
import { JobStore } from '../../jobs/store/job-store.js';
import { inspectHealth } from '../health/inspect.js';
import { Watch } from '../health/watch.js';
import { JobOpener, jobsDatabasePath, type OpenerOptions } from './opener.js';

/** The jobs of a state folder in this process. Nothing runs before `start()` or `engine.run()`. */
export interface Jobs {
  readonly store: JobStore;
  readonly engine: JobEngine;
  /** Serves schedules, requests and notifications, as soon as no other process does. */
  start(): void;
  close(): Promise<void>;
}

/** @throws Failure `database-damaged`, `database-newer`, `state-unwritable`, `usage` for an invalid configuration */
export function openJobs(options: OpenerOptions & { readonly options: OptionValues }): Jobs {
  const { state, log } = options;
  const { configFile } = state;
  const ways = readSection(configFile, 'notify', waysSchema.optional());
  const programs = readSection(configFile, 'programs', programsSchema);
  const hosts = new AllowedHosts(readSection(configFile, 'allowed_hosts', allowedHostsSchema));
  const store = new JobStore(jobsDatabasePath(state));
  const notifier = new Notifier({
    folder: state.jobs('told'),
    store,
    everybody: () => ways,
    means: { programs, hosts },
    log,
  });
  const engine = new JobEngine({
    store,
    opener: new JobOpener(options),
    folder: state.jobs(),
    log,
    ended: (job, execution) => notifier.ended(job, execution),
  });
  sweepTemporary(state.path).catch((error: unknown) =>
    options.log.warn({ error }, 'what processes left that were killed could not be removed'),
  );
  let watch: Watch | undefined;
  return {
    store,
    engine,
    start() {
      engine.start();
      watch ??= new Watch(
        () => inspectHealth(state, options.options, store),
        () => engine.isLeader,
        notifier,
        log,
      );
    },
    close: () =>
      inOrder(
        () => watch?.close(),
        () => engine.close(),
        () => notifier.close(),
        () => store.close(),
      ),
  };
}
