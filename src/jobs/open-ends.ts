import type { Job } from './definition/job-schema.js';
import { changesSource } from './definition/transfer-schema.js';
import type { Endpoint } from './endpoint.js';
import { abilitiesOf, requireFitting } from './fitness.js';
import type { Opener } from './opener.js';
import type { Execution } from './store/executions.js';
import type { JobStore } from './store/job-store.js';

export interface Ends {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  close(): Promise<void>;
}

/**
 * Opens both endpoints of a run. Each must be on the same mount as in the last run.
 * @throws Failure of the opener, `job-refused`; then no endpoint stays open
 */
export async function openEnds(
  job: Job,
  { trigger, simulation }: Pick<Execution, 'trigger' | 'simulation'>,
  { opener, store }: { readonly opener: Opener; readonly store: JobStore },
  signal: AbortSignal,
): Promise<Ends> {
  const { transfer } = job;
  const records = store.records(job.id);
  const request = {
    job: job.id,
    jobName: job.name,
    whenSpent: trigger === 'schedule' && job.schedule.mode !== 'ad-hoc' ? 'fail' : 'wait',
    locks: transfer.lock_propagation === 'skip',
    uploads: store.uploads(job.id),
    signal,
  } as const;
  const opened: Endpoint[] = [];
  const close = async (): Promise<void> => {
    await Promise.allSettled(opened.map((endpoint) => endpoint.close()));
  };
  try {
    const source = await opener.open(transfer.source, {
      ...request,
      create: false,
      mayWrite: changesSource(transfer) && !simulation,
      mountedAt: records.mountOf('source'),
    });
    opened.push(source);
    const destination = await opener.open(transfer.destination, {
      ...request,
      create: !simulation,
      emptyIfMissing: simulation,
      mayWrite: !simulation,
      mountedAt: records.mountOf('destination'),
    });
    opened.push(destination);
    requireFitting(transfer, abilitiesOf(source), abilitiesOf(destination));
    if (!simulation) records.noteMounts({ source: source.mountpoint, destination: destination.mountpoint });
    return { source, destination, close };
  } catch (error) {
    await close();
    throw error;
  }
}
