import { existsSync } from 'node:fs';
import { oneLine } from '../base/text.js';
import { type HealthReport, inspectHealth } from '../daemon/health/inspect.js';
import { jobsDatabasePath } from '../daemon/jobs/opener.js';
import { JobStore } from '../jobs/store/job-store.js';
import type { Command } from './command.js';
import { plural } from './format.js';

const EXIT = { ok: 0, warning: 1, broken: 2 } as const;

/** Maximum findings in the text line; `--json` lists all. */
const SHOWN_FINDINGS = 5;

export const health: Command = {
  name: 'health',
  summary: 'one line about mounts, jobs, sign-ins, waiting changes, disk; exit 0 fine, 1 warning, 2 broken',
  options: ['cache_reserve'],
  async run(context) {
    const state = context.state();
    const path = jobsDatabasePath(state);
    // A health check must not create the database.
    const store = existsSync(path) ? new JobStore(path) : undefined;
    try {
      const seen = await inspectHealth(state, context.options(), store);
      context.show(seen, () => line(seen));
      process.exitCode = EXIT[seen.level];
    } finally {
      store?.close();
    }
  },
};

function line({ level, findings, mounts, jobs, connections }: HealthReport): string {
  if (level === 'ok')
    return `OK: ${plural(mounts, 'mount')}, ${plural(jobs, 'job')}, ${plural(connections, 'connection')}`;
  const sorted = findings.toSorted((a, b) => Number(b.level === 'broken') - Number(a.level === 'broken'));
  const more = sorted.length > SHOWN_FINDINGS ? `; and ${sorted.length - SHOWN_FINDINGS} more` : '';
  return `${level.toUpperCase()}: ${sorted
    .slice(0, SHOWN_FINDINGS)
    .map(({ message }) => oneLine(message, 300))
    .join('; ')}${more}`;
}
