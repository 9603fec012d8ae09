import { JobEngine } from '../../jobs/engine.js';
import { JobStore } from '../../jobs/store/job-store.js';
import { JobOpener, jobsDatabasePath, type OpenerOptions } from './opener.js';

/** The jobs of a state folder in this process. Nothing runs before `engine.start()` or `engine.run()`. */
export interface Jobs {
  readonly store: JobStore;
  readonly engine: JobEngine;
  close(): Promise<void>;
}

/** @throws Failure `database-damaged`, `database-newer`, `state-unwritable` */
export function openJobs(options: OpenerOptions): Jobs {
  const store = new JobStore(jobsDatabasePath(options.state));
  const engine = new JobEngine({
    store,
    opener: new JobOpener(options),
    folder: options.state.jobs(),
    log: options.log,
  });
  return {
    store,
    engine,
    async close() {
      await engine.close();
      store.close();
    },
  };
}
