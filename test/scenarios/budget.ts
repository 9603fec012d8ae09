import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '#src/base/log.js';
import type { Windows } from '#src/budget/window-state.js';
import { Connections } from '#src/connections/store.js';
import { Session } from '#src/procore/session.js';
import { addConnection } from '../support/simulated-connection.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

type Teardown = Pick<Scenario, 'teardown'>;

/** A session with a simulator; `windows` are what it takes an hour and the 10 seconds for. */
export async function budgetBench(
  t: Teardown,
  settings: SimulatorSettings,
  windows?: Windows,
): Promise<{ readonly session: Session; readonly running: RunningSimulator }> {
  const stateFolder = mkdtempSync(join(tmpdir(), 'procorefs-budget-'));
  const running = await simulator(t, { items: 10, ...settings });
  const { ready } = running;
  const connections = new Connections(stateFolder);
  const connection = addConnection(connections, ready);
  const { secrets } = connections;
  const session = new Session(connection, { stateFolder, secrets, log: silentLog, ...(windows ? { windows } : {}) });
  t.teardown(async () => {
    await session.close();
    rmSync(stateFolder, { recursive: true, force: true });
  });
  return { session, running };
}

/** Jobs without end, so many calls at a time, until the test ends. */
export function saturate(t: Teardown, session: Session, atOnce: number): { readonly done: number } {
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const counted = { done: 0 };
  const loop = async (): Promise<void> => {
    while (!end.signal.aborted) {
      await session.client.me({ class: 'job', signal: end.signal });
      counted.done++;
    }
  };
  const loops = Array.from({ length: atOnce }, () => loop().catch(() => undefined));
  t.teardown(async () => {
    end.abort();
    await Promise.all(loops);
  });
  return counted;
}

/** Milliseconds: a spike window that is quicker to look at, and how often somebody asks. */
const SPIKE = 2000;
const EVERY = 250;

/** How long people wait while a job takes all that it can get. */
export async function saturatedPriority(t: Scenario, seconds: number): Promise<void> {
  const settings = { spike: 25, spikeSeconds: SPIKE / 1000 };
  const { session, running } = await budgetBench(t, settings, { hour: 3_600_000, spike: SPIKE });
  const jobs = saturate(t, session, 8);
  await sleep(2 * SPIKE);
  const waits: number[] = [];
  for (let n = 0; n < (seconds * 1000) / EVERY; n++) {
    const start = performance.now();
    await session.client.me({ class: 'interactive' });
    const waited = performance.now() - start;
    waits.push(waited);
    await sleep(Math.max(0, EVERY - waited));
  }
  waits.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(waits[Math.floor((waits.length - 1) * share)]!);
  const { status429 } = await running.admin.calls();
  t.comment(
    `${waits.length} interactive calls beside ${jobs.done} of a job: waits p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ` +
      `most ${at(1)} ms; spike window ${SPIKE} ms`,
  );
  t.equal(status429, 0, 'replies 429');
  t.ok(jobs.done > 0, 'the job goes on');
  t.ok(at(0.99) <= 1000 + SPIKE, `p99 ${at(0.99)} ms`);
}
