import type { Mounted } from '../fuse/filesystem.js';
import { outboxCounts } from '../outbox/uploads-view.js';
import type { JobLine } from './jobs/job-lines.js';
import type { Project } from './project.js';

export function mountState(project: Project, mounted: Mounted, mountpoint: string) {
  const { mirror, content, session, outbox, scheduler } = project;
  const { done, items, total } = mirror.progress;
  const cache = content.stats();
  return {
    mountpoint,
    connection: session.connection.name,
    project: { id: session.project.id, name: session.project.name },
    state: mirror.state,
    crawl: { done, items, ...(total === undefined ? {} : { total }) },
    budget: session.session.budget.status(),
    outbox: { ...outboxCounts(outbox, scheduler), braked: scheduler.braked },
    refusedNames: outbox.names.refusals,
    cache,
    previews: project.readers.statistics(),
    mirror: { badRows: mirror.store.badRows, lru: mirror.view.statistics() },
    freshness: Math.ceil(mirror.freshness),
    sweep: { done: mirror.sweep.doneAt, underWay: mirror.sweep.isUnderWay },
    sincePoll: mirror.sincePoll,
    driver: mounted.driver,
    passthrough: mounted.passthrough,
    pid: process.pid,
  };
}

/** The answer to `status --json`; scripts read it, so keys are only added. */
export type MountStatus = ReturnType<typeof mountState> & { readonly jobs: readonly JobLine[] };
