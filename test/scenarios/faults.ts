import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFailure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import { FileVersions } from '#src/cache/file-versions.js';
import { contentVersion, ProjectSource } from '#src/cache/project-source.js';
import type { Item } from '#src/mirror/database/view.js';
import type { Mirror } from '#src/mirror/mirror.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import type { FaultName, FaultSetting } from '#src/simulator/faults.js';
import { type MirrorBench, mirrorBench, mirrorLines, mirrorTree, serverLines } from '../support/mirror.js';
import type { TreeEntry } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

/**
 * The faults that can hit somebody who crawls and reads as a service account, each made short where it has a length.
 * `refresh-reply-lost` is not among them: only a person's sign-in refreshes, and it has a scenario of its own.
 */
export const READING_FAULTS: Readonly<Partial<Record<FaultName, Partial<FaultSetting>>>> = {
  '429-hour': { retry_after: 1 },
  '429-spike': { retry_after: 1 },
  '503-retry-after': { retry_after: 1 },
  '500-html': {},
  '408': {},
  'reset-before': {},
  'reset-after': {},
  slow: { ms: 200 },
  'truncated-body': {},
  'malformed-json': {},
  'stale-index': { seconds: 3 },
  'forbidden-folder': {},
  // More than all calls of a run: what a limit below them does is the budget's business.
  'limit-changes': { limit: 2400 },
  'clock-skew': {},
  'token-expired': {},
  'token-revoked': {},
  'url-expired': {},
  'range-ignored': {},
  'wrong-size': {},
};

export interface FaultRun {
  readonly files: number;
  readonly folders: number;
  readonly calls: number;
  readonly hits: number;
  /** Files that were read to other bytes than the server has, or not at all. */
  readonly wrong: readonly string[];
  /** Differences between the mirror and the server's own account. */
  readonly tree: string;
  /** Folders that could not be listed, by code of the failure. */
  readonly refused: Readonly<Record<string, number>>;
  /** Calls other than GET. */
  readonly writes: readonly string[];
}

const never = new AbortController().signal;
setMaxListeners(0, never);
/** At once: somebody lists, somebody reads. */
const LISTERS = 2;
const READERS = 16;

/**
 * A project of so many files is crawled, every folder listed anew and every file read, while each request that a
 * fault may hit is hit with its probability.
 */
export async function faultRun(
  t: Pick<Scenario, 'teardown'>,
  files: number,
  faults: Readonly<Partial<Record<FaultName, number>>>,
  seed: number,
): Promise<FaultRun> {
  const items = Math.ceil(files * 1.15);
  const bench = await mirrorBench(t, { items, fileSize: 1500, seed: String(seed), oddNames: 'no', spike: 1000 });
  const { admin } = bench.simulator;
  const settings = Object.entries(faults).map(([name, probability]) => [
    name,
    { ...READING_FAULTS[name as FaultName], probability },
  ]);
  await admin.faults(Object.fromEntries(settings));
  const mirror = bench.openMirror();
  await persistently(() => mirror.open());
  await persistently(() => new Crawl(mirror.store, bench.source, silentLog).run(never));
  const tree = [...mirrorTree(mirror).values()];

  const refused: Record<string, number> = {};
  const folders = tree.filter((item) => !item.isFile);
  await inParallel(folders, LISTERS, (folder) => list(mirror, folder, refused));
  // What changes meanwhile must be seen in the end, whatever the index said in between.
  const added = ['changed.txt', 'changed too.txt'];
  for (const path of added) await admin.change({ op: 'create', path, content: path });
  await persistently(() => mirror.pollNow(never));
  const wanted = new Map((await admin.tree()).map((entry) => [entry.id, entry]));
  const wrong = await readAll(t, bench, mirror, wanted);

  const { total, byRoute } = await admin.calls();
  const hit = Object.values(await admin.faults({})) as { hits: number }[];
  await admin.noFaults();
  for (let look = 0; look < 5 && (await treeDifference(bench, mirror)) !== ''; look++) {
    await sleep(1000);
    await persistently(() => mirror.pollNow(never));
  }
  return {
    files: [...wanted.values()].filter((entry) => entry.type === 'file').length,
    folders: folders.length,
    calls: total,
    hits: hit.reduce((sum, { hits }) => sum + hits, 0),
    wrong,
    tree: await treeDifference(bench, mirror),
    refused,
    writes: Object.keys(byRoute).filter((route) => !route.startsWith('GET ')),
  };
}

async function list(mirror: Mirror, folder: Item, refused: Record<string, number>): Promise<void> {
  try {
    await mirror.refresh(folder, 'background', never);
  } catch (error) {
    if (!isFailure(error)) throw error;
    refused[error.code] = (refused[error.code] ?? 0) + 1;
  }
}

async function readAll(
  t: Pick<Scenario, 'teardown'>,
  { session, project }: MirrorBench,
  mirror: Mirror,
  wanted: ReadonlyMap<number, TreeEntry>,
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-faults-'));
  const { client, storage } = session;
  const source = new ProjectSource({
    mirror,
    storage,
    versions: new FileVersions((item, signal) =>
      client.versions(project, item.remoteId, { class: 'interactive', signal }),
    ),
    log: silentLog,
  });
  const cache = ContentCache.open({ folder, limit: 2 ** 30, reserve: 0, source, log: silentLog });
  t.teardown(async () => {
    await cache.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const wrong: string[] = [];
  const files = [...mirrorTree(mirror).values()].filter((item) => item.isFile);
  await inParallel(files, READERS, async (item) => {
    const { path, sha256 } = wanted.get(item.remoteId) ?? { path: item.name, sha256: 'none' };
    try {
      const found = await sumOf(cache, item);
      if (found !== sha256) wrong.push(`${path}: other bytes`);
    } catch (error) {
      wrong.push(`${path}: ${isFailure(error) ? error.code : String(error)}`);
    }
  });
  return wrong;
}

async function sumOf(cache: ContentCache, item: Item): Promise<string> {
  const open = cache.open(contentVersion(item));
  try {
    const hash = createHash('sha256');
    // In two parts, so that ranges are asked for as well.
    for (let at = 0; at < item.size; ) {
      const bytes = await open.read(at, 1024, never);
      hash.update(bytes);
      at += bytes.length;
    }
    return hash.digest('hex');
  } finally {
    open.close();
  }
}

async function treeDifference(bench: MirrorBench, mirror: Mirror): Promise<string> {
  const known = new Set(mirrorLines(mirror));
  const server = await serverLines(bench.simulator);
  const missing = server.filter((line) => !known.delete(line));
  return [...missing.map((line) => `- ${line}`), ...[...known].map((line) => `+ ${line}`)].slice(0, 5).join('; ');
}

/** As the upkeep does it: what failed in passing is tried again. */
async function persistently(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 5) throw error;
      await sleep(500);
    }
  }
}

async function inParallel<T>(all: readonly T[], most: number, work: (one: T) => Promise<void>): Promise<void> {
  const rest = all.values();
  const worker = async (): Promise<void> => {
    for (const one of rest) await work(one);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

/** The factor by which the calls of a run with faults may exceed those of one without. */
const MOST_CALLS = 1.2;

/**
 * Every fault alone with `probability`, and all at once so that each request is hit by one of them with about that
 * probability: all bytes right, no write, and few calls more than without faults.
 */
export async function faultScenario(
  t: Scenario,
  files: number,
  faults: readonly FaultName[],
  probability: number,
  seed: number,
): Promise<void> {
  const without = await alone(t, (t) => faultRun(t, files, {}, seed));
  t.comment(`no fault: ${without.files} files, ${without.calls} calls`);
  const runs: [string, Partial<Record<FaultName, number>>][] = faults.map((name) => [name, { [name]: probability }]);
  const share = probability / faults.length;
  runs.push(['all at once', Object.fromEntries(faults.map((name) => [name, share]))]);
  for (const [name, setting] of runs) {
    const run = await alone(t, (t) => faultRun(t, files, setting, seed));
    const factor = (run.calls / without.calls).toFixed(2);
    t.comment(
      `${name}: ${run.hits} hits, ${run.calls} calls (× ${factor}), listings refused ${JSON.stringify(run.refused)}`,
    );
    check(t, name, run);
    // Of a few calls one more is a lot.
    const most = without.calls * MOST_CALLS + 10;
    t.ok(run.calls <= most, `${name}: ${run.calls} calls, at most ${most.toFixed(0)}`);
  }
}

/** What must hold of every run. */
export function check(t: Pick<Scenario, 'equal' | 'ok'>, name: string, run: FaultRun): void {
  t.equal(run.wrong.slice(0, 5).join('; '), '', `${name}: files read wrong`);
  t.equal(run.tree, '', `${name}: the tree`);
  t.equal(run.writes.join(', '), '', `${name}: calls that write`);
  // A call is repeated three times: four hits in a row are rare, and said.
  const failed = Object.entries(run.refused).reduce((sum, [code, n]) => sum + (code === 'not-permitted' ? 0 : n), 0);
  t.ok(failed <= Math.ceil(run.folders / 500), `${name}: ${failed} of ${run.folders} listings failed`);
}

/** Runs with teardowns of its own, so that one run's servers are gone before the next. */
async function alone<T>(t: Scenario, work: (t: Pick<Scenario, 'teardown'>) => Promise<T>): Promise<T> {
  const cleanups: (() => unknown)[] = [];
  const clean = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  };
  t.teardown(clean);
  try {
    return await work({ teardown: (cleanup) => cleanups.unshift(cleanup) });
  } finally {
    await clean();
  }
}
