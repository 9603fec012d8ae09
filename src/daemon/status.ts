import { oneLine } from '../base/text.js';
import type { ContentStatistics } from '../cache/statistics.js';
import type { MirrorState } from '../mirror/mirror.js';
import { outboxCounts } from '../outbox/uploads-view.js';
import type { PreviewStatistics } from '../vfs/readers.js';
import type { JobLine } from './jobs/job-lines.js';
import type { MountedProject } from './mounted-view.js';
import type { Live } from './mounts.js';

/** From the most urgent state to the normal one. */
const STATES: readonly MirrorState[] = ['signed-out', 'offline', 'crawling', 'ready'];
const REFUSALS = 100;

/** Start of the sum; the whole for a company without open projects. */
const NO_CONTENT: ContentStatistics = {
  bytes: 0,
  limit: 0,
  blobs: 0,
  hits: 0,
  misses: 0,
  fetchedBytes: 0,
  requests: 0,
  downloading: 0,
  queued: 0,
  memory: 0,
  open: 0,
};

/** An open project of a company. */
const openProject = ({ project: { mirror, outbox, scheduler, session }, prefix }: MountedProject) => ({
  id: session.project.id,
  name: session.project.name,
  folder: oneLine(prefix.slice(0, -1)),
  state: mirror.state,
  crawl: crawlOf(mirror.progress),
  outbox: outboxCounts(outbox, scheduler),
  freshness: Math.ceil(mirror.freshness),
});

const crawlOf = ({ done, items, total }: { done: boolean; items: number; total: number | undefined }) => ({
  done,
  items,
  ...(total === undefined ? {} : { total }),
});

/** Adds up the values of each key, beginning with `start`. */
function sum<T extends { readonly [Key in keyof T]: number }>(all: readonly T[], start: T): T {
  const add = (a: T, b: T): T =>
    Object.fromEntries(Object.entries<number>(a).map(([key, value]) => [key, value + b[key as keyof T]])) as T;
  return all.reduce(add, start);
}

/** The projects share one budget. */
const previewsOf = (all: readonly PreviewStatistics[]): PreviewStatistics => ({
  bytes: all[0]?.bytes ?? 0,
  limit: all[0]?.limit ?? 0,
  refused: all.reduce((sum, { refused }) => sum + refused, 0),
});

const earliest = (times: readonly (number | undefined)[]): number | undefined =>
  times.includes(undefined) || times.length === 0 ? undefined : Math.min(...(times as number[]));

/** The state of a mount; for a company, the totals of its open projects. */
export function mountState({ request, mounted, shown }: Live) {
  const { parts, session } = shown;
  const projects = parts.map(({ project }) => project);
  const mirrors = projects.map(({ mirror }) => mirror);
  const progress = mirrors.map((mirror) => mirror.progress);
  const waits = mirrors.map(({ sincePoll }) => sincePoll);
  const counts = projects.map(({ outbox, scheduler }) => outboxCounts(outbox, scheduler));
  return {
    mountpoint: request.mountpoint,
    connection: session.connection.name,
    /** Set for a mount of one project. For a company, `company` counts the projects; `projects` has the open ones. */
    project: shown.project && { id: shown.project.session.project.id, name: shown.project.session.project.name },
    company: shown.project ? undefined : { projects: shown.projects },
    projects: shown.project ? undefined : parts.map(openProject),
    state: STATES.find((state) => mirrors.some((mirror) => mirror.state === state)) ?? 'ready',
    crawl: crawlOf({
      done: progress.every(({ done }) => done),
      items: progress.reduce((sum, { items }) => sum + items, 0),
      total: progress.length === 1 ? progress[0]!.total : undefined,
    }),
    budget: session.budget.status(),
    outbox: {
      ...sum(counts, { pending: 0, held: 0, failed: 0, local: 0, bytes: 0 }),
      braked: projects.some(({ scheduler }) => scheduler.isGuardOn),
    },
    refusedNames: projects.flatMap(({ outbox }) => outbox.names.refusals).slice(-REFUSALS),
    cache: {
      ...sum(
        projects.map(({ content }) => content.stats()),
        NO_CONTENT,
      ),
      // The projects share one limit.
      limit: projects[0]?.content.stats().limit ?? 0,
    },
    previews: previewsOf(projects.map(({ readers }) => readers.statistics())),
    pins: sum(
      projects.map(({ pinKeeper }) => pinKeeper.statistics()),
      { items: 0, files: 0, bytes: 0, missing: 0 },
    ),
    mirror: {
      badRows: mirrors.reduce((rows, { store }) => rows + store.badRows, 0),
      writerDeaths: Math.max(0, ...mirrors.map(({ store }) => store.writerDeaths)),
      lru: sum(
        mirrors.map(({ view }) => view.statistics()),
        { entries: 0, limit: 0, hits: 0, misses: 0 },
      ),
    },
    freshness: Math.ceil(Math.max(0, ...mirrors.map(({ freshness }) => freshness))),
    sweep: {
      done: earliest(mirrors.map(({ sweep }) => sweep.doneAt)),
      underWay: mirrors.some(({ sweep }) => sweep.isUnderWay),
    },
    sincePoll: waits.includes(undefined) || waits.length === 0 ? undefined : Math.max(...(waits as number[])),
    driver: mounted.driver,
    passthrough: mounted.passthrough,
    pid: process.pid,
  };
}

/** The output of `status --json`. Scripts depend on it, so keys are only added. */
export type MountStatus = ReturnType<typeof mountState> & { readonly jobs: readonly JobLine[] };
