import { openLog } from '#src/base/log.js';
import { openJobs } from '#src/daemon/jobs/open.js';
import { Projects } from '#src/project/projects.js';
import { StateFolder } from '#src/project/state-folder.js';
import { PROJECT_OPTIONS } from './project-options.js';

/** Runs jobs of a state folder when its parent says which, and answers with what came of each. */
const state = new StateFolder(process.argv[2]!);
const { log } = openLog('warn', state.log('jobs'));
const projects = new Projects({ state, options: {}, projectOptions: PROJECT_OPTIONS, log });
const jobs = openJobs({ state, options: {}, projects, log });
process.on('message', (id: string) => {
  jobs.engine.run(id, 'manual').then(
    (execution) => process.send?.(execution),
    (error: unknown) => process.send?.({ status: 'rejected', reason: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
