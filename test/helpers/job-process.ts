import { openLog } from '#src/base/log.js';
import { openJobs } from '#src/daemon/jobs/open.js';
import { StateFolder } from '#src/daemon/state-folder.js';

/** Runs jobs of a state folder when its parent says which, and answers with what came of each. */
const state = new StateFolder(process.argv[2]!);
const { log } = openLog('warn', state.log('jobs'));
const jobs = openJobs({
  state,
  options: {},
  projectOptions: {
    cacheLimit: 2 ** 30,
    cacheReserve: 0,
    pollInterval: 3600,
    settle: 0,
    deleteDelay: 0,
    holdAfter: 1_000_000,
    noDelete: false,
    temporary: [],
  },
  log,
});
process.on('message', (id: string) => {
  jobs.engine.run(id, 'manual').then(
    (execution) => process.send?.(execution),
    (error: unknown) => process.send?.({ status: 'rejected', reason: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
