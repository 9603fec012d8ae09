import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFailure } from '#src/base/errors.js';
import { askDaemon } from '#src/daemon/control.js';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { StateFolder } from '#src/project/state-folder.js';
import { FailingDisk } from '../support/failing-disk.js';
import { Installation } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { type RunningSimulator, simulator } from '../support/simulator.js';
import { intactDatabases } from './kill.js';
import type { Scenario } from './scenarios.js';

const WORDS = ['-o', 'settle=0,delete_delay=0,hold_after=1000000,poll=3600'];
const settings = { items: 5, oddNames: 'no', spike: 3000, hourly: 1_000_000 } as const;

/** What a path may have at the server: sums of content, `folder`, or undefined where it may be absent. */
type Allowed = Set<string | undefined>;

const sum = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** What people were told about each path, and what it may therefore be. */
class Promises {
  readonly #paths = new Map<string, Allowed>();
  failed = 0;

  /** Does one thing; when it succeeds, what it promises is all that may be. */
  async does(work: () => Promise<unknown>, results: Readonly<Record<string, string | undefined>>): Promise<void> {
    let failed = false;
    try {
      await work();
    } catch (error) {
      if (!/^(EIO|ENOSPC)$/.test(String((error as NodeJS.ErrnoException).code))) throw error;
      failed = true;
      this.failed++;
    }
    for (const [path, result] of Object.entries(results))
      if (failed) this.of(path).add(result);
      else this.#paths.set(path, new Set([result]));
  }

  of(path: string): Allowed {
    let allowed = this.#paths.get(path);
    if (!allowed) this.#paths.set(path, (allowed = new Set([undefined])));
    return allowed;
  }

  /** What broke a promise; afterwards what is there is what is promised. */
  compare(found: ReadonlyMap<string, string>): string[] {
    const wrong: string[] = [];
    for (const path of found.keys()) if (!this.#paths.has(path)) wrong.push(`${path} should not be there`);
    for (const [path, allowed] of this.#paths) {
      const is = found.get(path);
      if (!allowed.has(is)) wrong.push(`${path} is ${is}, not ${[...allowed].join(' or ')}`);
      this.#paths.set(path, new Set([is]));
    }
    return wrong;
  }
}

/** Opens, writes in three parts, syncs, closes: fails as soon as one of them does, but closes. */
async function save(path: string, content: Buffer, flags: string, sync: boolean): Promise<void> {
  const file = await open(path, flags);
  try {
    const part = Math.ceil(content.length / 3);
    // write(2) may take less than it was given: a program that ignores the result has saved something else.
    for (let at = 0; at < content.length; )
      at += (await file.write(content, at, Math.min(part, content.length - at), at)).bytesWritten;
    await file.truncate(content.length);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}

/** Everything that a program does when it saves, once each. */
async function saveEverything(mnt: string, round: number, promises: Promises): Promise<void> {
  const content = (name: string): Buffer => Buffer.from(`${name} of round ${round}\n`.repeat(3000));
  const at = (name: string): string => join(mnt, name);
  const fresh = `new ${round}.txt`;
  await promises.does(() => save(at(fresh), content(fresh), 'wx', true), { [fresh]: sum(content(fresh)) });
  await promises.does(() => save(at('kept.txt'), content('kept'), round === 0 ? 'w' : 'r+', false), {
    'kept.txt': sum(content('kept')),
  });
  const temporary = `doc ${round}.tmp`;
  // Nobody was told that the temporary file is at the server, nor that it is not, until it was renamed.
  await promises.does(() => save(at(temporary), content('doc'), 'w', false), { [temporary]: sum(content('doc')) });
  await promises.does(() => rename(at(temporary), at('doc.txt')).catch(absent), {
    [temporary]: undefined,
    'doc.txt': sum(content('doc')),
  });
  const folder = `folder ${round}`;
  await promises.does(() => mkdir(at(folder)), { [folder]: 'folder' });
  const inner = `${folder}/inner.txt`;
  await promises.does(() => save(at(inner), content(inner), 'w', false).catch(absent), {
    [inner]: sum(content(inner)),
  });
  const old = `new ${round - 1}.txt`;
  await promises.does(() => rm(at(old)).catch(absent), { [old]: undefined });
}

/** What an earlier step failed to make cannot be worked on: that too is a failure of this step. */
function absent(error: NodeJS.ErrnoException): never {
  throw error.code === 'ENOENT' ? Object.assign(error, { code: 'EIO' }) : error;
}

interface Scene {
  readonly t: Scenario;
  readonly running: RunningSimulator;
  readonly installation: Installation;
  readonly source: string;
  readonly mnt: string;
  readonly promises: Promises;
  readonly env: NodeJS.ProcessEnv;
}

async function scene(t: Scenario, disk: boolean): Promise<Scene & { readonly disk: FailingDisk | undefined }> {
  const running = await simulator(t, settings);
  const installation = new Installation(t);
  await installation.connect(running);
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const failing = disk ? new FailingDisk(installation.folder, installation.state) : undefined;
  const env = { ...installation.environment, ...failing?.environment };
  const mnt = installation.mountpoint();
  await installation.must(['mount', source, mnt, ...WORDS], { env });
  await installation.crawled(mnt);
  const promises = new Promises();
  for (const [path, found] of await atServer(running)) await promises.does(async () => undefined, { [path]: found });
  return { t, running, installation, source, mnt, promises, env, disk: failing };
}

/** Sums of files, and folders. */
async function atServer(running: RunningSimulator): Promise<Map<string, string>> {
  const tree = await running.admin.tree();
  return new Map(tree.map(({ path, type, sha256 }) => [path, type === 'folder' ? 'folder' : String(sha256)]));
}

/** Asks the daemon, as the command line does. */
function ask<T>({ installation, mnt }: Scene, method: string, parameters: Record<string, unknown>): Promise<T> {
  const record = new StateFolder(installation.state).mount(mnt);
  if (!record) throw new Error('nothing is mounted');
  return askDaemon<T>(record.socket, method, parameters);
}

/** What is left after so many seconds at most. */
const drain = (here: Scene, seconds: number): Promise<UploadLine[]> => ask(here, 'drain', { timeout: seconds });

/** Everything goes up; what was left half-done is held, and a person gives it up. */
async function settle(here: Scene, when: string): Promise<void> {
  const { t, promises, running } = here;
  const left = await drain(here, 240);
  if (left.length > 0) {
    const odd = left.filter(({ state, reason }) => state !== 'held' || reason === undefined);
    t.equal(odd.map((line) => JSON.stringify(line)).join(), '', `${when}: what is left is held and says why`);
    const what = left.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
    t.ok(promises.failed > 0, `${when}: something is held because somebody was told of a failure (${what})`);
    await ask(here, 'discard', { ids: [] });
  }
  t.equal(promises.compare(await atServer(running)).join('; '), '', `${when}: everybody was told the truth`);
  promises.failed = 0;
}

/** Ends the daemon, as a crash does or by unmounting, and mounts anew. It must have outlived what failed. */
async function restart({ installation, source, mnt, env, t }: Scene, hard: boolean, when: string): Promise<void> {
  const pid = pidOf(installation, mnt);
  t.ok(
    pid !== undefined && isAlive(pid),
    `${when}: the daemon lives${pid === undefined ? '' : unexpected(installation)}`,
  );
  if (hard && pid !== undefined) {
    process.kill(pid, 'SIGKILL');
  } else await installation.procorefs(['umount', mnt]);
  if (pid !== undefined) await until(() => !isAlive(pid));
  intactDatabases(t, installation, when);
  await installation.must(['mount', source, mnt, ...WORDS], { env });
}

const pidOf = (installation: Installation, mnt: string): number | undefined =>
  new StateFolder(installation.state).mount(mnt)?.pid;

/** What the log says of an end that nobody expected. */
function unexpected({ state }: Installation): string {
  const logs = readdirSync(join(state, 'log')).map((name) => readFileSync(join(state, 'log', name), 'utf8'));
  return (
    logs
      .join('')
      .match(/.*nobody expected.*/)?.[0]
      .slice(0, 1500) ?? ''
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Saves while the n-th disk call of the daemon fails, n = `first`, `first` + `step`, … until a whole save has fewer
 * calls; then starts the daemon anew, and looks whether everything that somebody was told is so.
 */
export async function failingDiskScenario(
  t: Scenario,
  times: 'once' | 'for ever',
  first: number,
  step: number,
): Promise<void> {
  const scenario = await scene(t, true);
  const { disk, mnt, promises } = scenario;
  await saveEverything(mnt, 0, promises);
  await settle(scenario, 'without a fault');
  let round = 0;
  for (let n = first; ; n += step) {
    round++;
    const errno = round % 2 === 0 ? 'EIO' : 'ENOSPC';
    const when = `disk call ${n} failed ${times} with ${errno}`;
    disk!.fail(n, times, errno);
    await saveEverything(mnt, round, promises);
    // With a broken disk the daemon says what it is about.
    await drain(scenario, 5).catch((error: unknown) => t.ok(isFailure(error), `${when}: ${String(error)}`));
    const { calls, failed } = disk!.counts;
    disk!.mend();
    await restart(scenario, round % 3 !== 0, when);
    await settle(scenario, when);
    if (failed > 0) continue;
    t.comment(`${round} rounds; a save makes ${calls} disk calls`);
    t.ok(round > 1, 'some failed');
    return;
  }
}

/** What goes wrong with a request, and where; `reset-after`: done, but nobody hears of it. */
export const REQUEST_FAULTS = [
  ['500-html', 'api'],
  ['reset-before', 'api'],
  ['reset-after', 'api'],
  ['malformed-json', 'api'],
  ['503-retry-after', 'storage'],
  ['reset-before', 'storage'],
] as const;

/**
 * Saves while the n-th request fails, n = `first`, `first` + `step`, …; then, with a server that answers, looks whether
 * it has exactly what was saved: nothing twice, nothing as a conflict, one version more of what was there.
 */
export async function failingRequestScenario(
  t: Scenario,
  [fault, side]: (typeof REQUEST_FAULTS)[number],
  times: 'once' | 'for ever',
  first: number,
  step: number,
): Promise<void> {
  const scenario = await scene(t, false);
  const { mnt, promises, running } = scenario;
  await saveEverything(mnt, 0, promises);
  await settle(scenario, 'without a fault');
  const versions = async (): Promise<number> =>
    (await running.admin.tree())
      .filter(({ path }) => /^(kept|doc)\.txt$/.test(path))
      .reduce((n, one) => n + one.versions, 0);
  const hits = async (): Promise<number> => (await running.admin.faults({}))[fault]?.hits ?? 0;
  let round = 0;
  for (let n = first; ; n += step) {
    round++;
    const when = `request ${n} to ${side} failed ${times} with ${fault}`;
    const before = await versions();
    const had = await hits();
    await running.admin.faults({
      [fault]: { on: [side], after: n - 1, ...(times === 'once' ? { count: 1 } : {}) },
    });
    await saveEverything(mnt, round, promises);
    t.equal(promises.failed, 0, `${when}: saving does not depend on the server`);
    const left = await drain(scenario, 5);
    const now = await hits();
    await running.admin.noFaults();
    await settle(scenario, when);
    t.equal((await versions()) - before, 2, `${when}: each document has one version more`);
    if (now > had || left.length > 0) continue;
    t.comment(`${round} rounds`);
    t.ok(round > 1, 'some failed');
    return;
  }
}
