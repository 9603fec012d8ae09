import type { FaultName } from '#src/simulator/faults.js';
import { saturatedPriority } from './scenarios/budget.js';
import { COHERENT, coherence } from './scenarios/coherence.js';
import { companyScenario } from './scenarios/company.js';
import { doubtScenario } from './scenarios/doubt.js';
import { exercise } from './scenarios/exerciser.js';
import { failingDiskScenario, failingRequestScenario, REQUEST_FAULTS } from './scenarios/failing.js';
import { faultScenario, READING_FAULTS } from './scenarios/faults.js';
import { COMBINATIONS, goldenFolders } from './scenarios/golden.js';
import { hostileApi } from './scenarios/hostile-api.js';
import { hostileMount, MORE_HOSTILE, randomNames } from './scenarios/hostile-mount.js';
import { hostileReplies } from './scenarios/hostile-replies.js';
import { httpFuzz } from './scenarios/http-fuzz.js';
import { crawlWithoutV1 } from './scenarios/index-forms.js';
import { jobRuns, outboxSequences, seedsFrom } from './scenarios/interleave.js';
import { jobHours } from './scenarios/job-hours.js';
import { jobMemory } from './scenarios/job-memory.js';
import { randomSync } from './scenarios/job-sync.js';
import { copyCalls, estimates, severalHours } from './scenarios/jobs.js';
import { killScenario } from './scenarios/kill.js';
import { killRounds } from './scenarios/kill-rounds.js';
import { largeUpload } from './scenarios/large-upload.js';
import { million } from './scenarios/million.js';
import { modelScenario } from './scenarios/model.js';
import { namesProperty } from './scenarios/name-property.js';
import { hostileNames } from './scenarios/names.js';
import { officeScenario } from './scenarios/office.js';
import { pendingScenario } from './scenarios/pending.js';
import { pressure } from './scenarios/pressure.js';
import { remoteChanges } from './scenarios/remote-changes.js';
import { removedFolder } from './scenarios/removal.js';
import { renamedFolder } from './scenarios/renamed.js';
import { rsyncToSamba } from './scenarios/samba.js';
import { crawlMemory, expiredUrls, type Scenario } from './scenarios/scenarios.js';
import { uploadHour } from './scenarios/upload-hour.js';
import { vanishingShare } from './scenarios/vanishing.js';
import { writeKillScenario } from './scenarios/write-kill.js';
import { refreshRace } from './support/refresh-race.js';

/** Of the exercisers: operations in all, and how often the files come anew from the server. */
const OPERATIONS = Number(process.env.SOAK_OPERATIONS ?? 1_000_000);
const ROUNDS = Number(process.env.SOAK_ROUNDS ?? 20);
/** Of a shorter hour, the whole seconds of the server's times and the plan of a run are a part that one sees. */
const HOURS = { hour: Number(process.env.SOAK_HOUR ?? 180), hourly: 3600, used: 0.95 };

/** Runs of 250 steps: long enough for trees to grow, short enough to be looked at. */
const MODEL = { operations: Number(process.env.SOAK_OPERATIONS ?? 50_000), length: 250, restarts: true };

/**
 * The scenarios of `npm test` at their full size, and those that only a full size shows. `npm run soak -- PART…` runs
 * some of them; `SOAK_SEED` repeats a run, `SOAK_OPERATIONS` and `SOAK_ROUNDS` a part of it; `SOAK_HOUR` is how many
 * seconds the hours of jobs have.
 */
const parts: Readonly<Record<string, (t: Scenario, seed: number) => Promise<void>>> = {
  kills: (t, seed) => killScenario(t, Number(process.env.SOAK_KILLS ?? 200), seed),
  'write-kills': (t, seed) => writeKillScenario(t, Number(process.env.SOAK_KILLS ?? 500), seed),
  'kill-rounds': async (t, seed) => {
    await killRounds(t, Number(process.env.SOAK_ROUNDS ?? 500), seed);
  },
  'expired-urls': (t) => expiredUrls(t, 12_000),
  'crawl-without-v1': (t) => crawlWithoutV1(t, 100_000),
  faults: (t, seed) => faultScenario(t, 5000, Object.keys(READING_FAULTS) as FaultName[], 0.05, seed),
  'http-fuzz': (t, seed) => httpFuzz(t, Number(process.env.SOAK_REQUESTS ?? 100_000), seed),
  'hostile-api': (t, seed) => hostileApi(t, Number(process.env.SOAK_REPLIES ?? 2000), seed),
  'hostile-replies': (t, seed) => hostileReplies(t, Number(process.env.SOAK_REPLIES ?? 50_000), seed),
  'failing-disk-once': (t) => failingDiskScenario(t, 'once', 1, 1),
  'failing-disk-for-ever': (t) => failingDiskScenario(t, 'for ever', 1, 1),
  pending: async (t) => {
    for (const driver of ['kernel', 'fuse-native'] as const) {
      await pendingScenario(t, driver);
      await doubtScenario(t, driver);
    }
  },
  renamed: async (t) => {
    for (const driver of ['kernel', 'fuse-native'] as const) await renamedFolder(t, driver, 10_000);
  },
  'failing-requests': async (t) => {
    for (const fault of REQUEST_FAULTS)
      for (const times of ['once', 'for ever'] as const) await failingRequestScenario(t, fault, times, 1, 1);
  },
  'large-upload': (t) => largeUpload(t, 5 * 1024 * 2 ** 20, 250),
  office: (t) => officeScenario(t),
  'upload-hour': (t) => uploadHour(t, { hour: 300, hourly: 300, windows: 2, latency: 200 }),
  golden: async (t) => {
    for (const combination of COMBINATIONS) await goldenFolders(t, combination);
  },
  model: (t, seed) => modelScenario(t, { ...MODEL, where: 'mount' }, seed),
  'model-inside': (t, seed) => modelScenario(t, { ...MODEL, where: 'inside' }, seed),
  coherence: async (t, seed) => {
    const rounds = Math.ceil(Number(process.env.SOAK_ROUNDS ?? 10_000) / COHERENT.length);
    for (const setup of COHERENT) await coherence(t, rounds, { ...setup, poll: 0.2 }, seed);
  },
  'coherence-promised': async (t, seed) => {
    const rounds = Math.ceil(Number(process.env.SOAK_ROUNDS ?? 200) / COHERENT.length);
    for (const setup of COHERENT) await coherence(t, rounds, setup, seed);
  },
  names: async (t, seed) => {
    for (const ignoresCase of [false, true])
      await namesProperty(t, { runs: Number(process.env.SOAK_ROUNDS ?? 300), length: 50, ignoresCase }, seed);
  },
  'names-mount': async (t, seed) => {
    for (const driver of ['kernel', 'fuse-native'] as const) {
      for (const ignoresCase of [false, true]) await hostileMount(t, driver, MORE_HOSTILE, ignoresCase);
      await hostileMount(t, driver, randomNames(Number(process.env.SOAK_ITEMS ?? 500), seed));
    }
  },
  pressure: (t, seed) => pressure(t, Number(process.env.SOAK_ROUNDS ?? 300), seed),
  'remote-changes': (t, seed) => remoteChanges(t, Number(process.env.SOAK_OPERATIONS ?? 10_000), seed),
  removal: (t) => removedFolder(t, 5000),
  'rsync-samba': (t) => rsyncToSamba(t, Number(process.env.SOAK_ITEMS ?? 23_000)),
  'job-sync': (t, seed) => randomSync(t, 'folder', Number(process.env.SOAK_ROUNDS ?? 2000), seed),
  'job-sync-procore': (t, seed) => randomSync(t, 'procore', Number(process.env.SOAK_ROUNDS ?? 2000), seed),
  'job-calls': (t) => copyCalls(t, 10_000),
  'job-million': (t) => jobMemory(t, Number(process.env.SOAK_ITEMS ?? 1_000_000), 50_000),
  'job-vanishing': (t, seed) => vanishingShare(t, 2000, seed),
  'job-names-smb': (t, seed) => hostileNames(t, 'smb', 1000, seed),
  'job-names-s3': (t, seed) => hostileNames(t, 's3', 1000, seed),
  'job-estimates': (t) => estimates(t, 2000),
  'job-hours-exact': async (t) => {
    for (const kind of ['fixed', 'clock-aligned'] as const)
      for (const how of ['manual', 'schedule'] as const) await jobHours(t, 20_000, how, kind);
  },
  'job-hours': (t) => severalHours(t, 20_000, HOURS, 'manual'),
  'job-hours-scheduled': (t) => severalHours(t, 20_000, HOURS, 'schedule'),
  company: (t) => companyScenario(t, Number(process.env.SOAK_PROJECTS ?? 300), 100),
  million: (t) => million(t, Number(process.env.SOAK_ITEMS ?? 1_000_000)),
  'interleave-outbox': async (t, seed) => {
    await outboxSequences(t, seedsFrom(seed, Number(process.env.SOAK_ROUNDS ?? 50_000)));
  },
  'interleave-jobs': async (t, seed) => {
    await jobRuns(t, seedsFrom(seed, Math.ceil(Number(process.env.SOAK_ROUNDS ?? 50_000) / 3)));
  },
  memory: (t) => crawlMemory(t, 100_000),
  priority: (t) => saturatedPriority(t, 60),
  exerciser: (t, seed) => exercise(t, 'kernel', OPERATIONS, ROUNDS, seed),
  'exerciser-native': (t, seed) => exercise(t, 'fuse-native', OPERATIONS, ROUNDS, seed),
  refresh: async (t, seed) => {
    const { wrong, usedTwice, ...counted } = await refreshRace(t, 200, seed);
    t.comment(JSON.stringify(counted));
    t.equal(usedTwice, 0, 'refresh tokens used twice');
    t.equal(wrong.join('; '), '', 'rounds that ended in another way');
  },
};

const counts = { passed: 0, failed: 0, skipped: 0 };

class Part implements Scenario {
  readonly #cleanups: (() => unknown)[] = [];

  teardown(cleanup: () => unknown): void {
    this.#cleanups.unshift(cleanup);
  }

  ok(found: unknown, message: string): void {
    counts[found ? 'passed' : 'failed']++;
    if (!found) console.log(`  FAILED: ${message}`);
  }

  equal(found: unknown, wanted: unknown, message: string): void {
    this.ok(Object.is(found, wanted), `${message}: ${String(found)}, not ${String(wanted)}`);
  }

  comment(message: string): void {
    console.log(`  ${message}`);
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups) await cleanup();
  }
}

async function soak(wanted: readonly string[], seed: number): Promise<void> {
  const unknown = wanted.filter((name) => !Object.hasOwn(parts, name));
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}; there is ${Object.keys(parts).join(', ')}`);
  for (const [name, run] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) {
      counts.skipped++;
      continue;
    }
    console.log(`${name} (SOAK_SEED=${seed})`);
    const part = new Part();
    try {
      await run(part, seed);
    } catch (error) {
      part.ok(false, error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    await part.close().catch((error: unknown) => part.ok(false, `cleaning up: ${String(error)}`));
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  if (counts.failed > 0) process.exitCode = 1;
}

await soak(process.argv.slice(2), Number(process.env.SOAK_SEED ?? Date.now() % 2 ** 31));
