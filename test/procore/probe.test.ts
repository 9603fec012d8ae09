import t, { type Test } from 'tap';
import { systemClock } from '#src/base/clock.js';
import { asCompanyId, asProjectId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import { ClientCredentialsTokens } from '#src/connections/client-credentials.js';
import type { Connection } from '#src/connections/connection.js';
import { factTable } from '#src/procore/probe/fact-table.js';
import { MOST_CALLS, type ProbeOptions, type ProbeReport, probe } from '#src/procore/probe/probe.js';
import { type SwitchName, switchTable } from '#src/simulator/switches.js';
import { testBudget } from '../support/net-server.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from '../support/simulator.js';

/** Switches whose position no client sees, or not without harm, and why. A new switch needs a probe or a reason here. */
const NOT_SEEN: Partial<Record<SwitchName, RegExp>> = {
  'folder-write-flags': /something in it/,
  'hour-window': /spent hour/,
  'retry-after-on-429': /call too many/,
  'rate-headers-on-401': /expired/,
  pkce: /sign-in page/,
  'other-projects': /connections test/,
  'other-company': /connections test/,
  'checkout-conflict': /another person/,
  'account-is-admin': /another person/,
};

/** Switches of the account rather than of the API: each position has a test of its own below. */
const APART: readonly SwitchName[] = [
  'app-connected',
  'project-access',
  'project-names',
  'spike-window',
  'index-v1',
  'index-v2',
  'index-v2-rows',
];

const names = Object.keys(switchTable) as SwitchName[];
const together = names.filter((name) => !APART.includes(name));

/** What a client must find when these are the positions: some positions hide others. */
function expected(positions: Record<string, string>): Record<string, string> {
  const found = { ...positions };
  // Both forms become one before they are compared.
  if (positions['name-unicode'] === 'nfc') found['name-twins'] = 'clash';
  // The deleted or restored folder is part of its own subtree.
  if (positions['bump-subtree'] === 'yes') found['bump-delete'] = found['bump-restore'] = 'yes';
  // What is below a deleted folder is in no list.
  if (positions['recycled-in-index'] === 'excluded' && positions['recycled-filter'] === 'tops')
    for (const hidden of ['bump-subtree', 'recycled-subtree']) delete found[hidden];
  // What is never restored shows nothing.
  if (positions.restore === 'refused') delete found['bump-restore'];
  return found;
}

const started = (t: Test, settings: SimulatorSettings = {}): Promise<RunningSimulator> =>
  simulator(t, { items: 200, hourly: 100_000, spike: 10_000, ...settings });

function connectionOf({ ready }: RunningSimulator, more: Partial<Connection> = {}): Connection {
  return {
    id: 'one',
    name: 'Procore',
    platform: 'procore',
    apiUrl: ready.api,
    loginUrl: ready.login,
    clientId: ready.client_id,
    grant: 'client-credentials',
    company: asCompanyId(ready.company_id),
    project: asProjectId(ready.projects[0]!.id),
    createdAt: '2026-11-24T00:00:00Z',
    ...more,
  };
}

async function run(
  t: Test,
  sim: RunningSimulator,
  folder: string | undefined,
  more: Partial<ProbeOptions> = {},
): Promise<ProbeReport> {
  const connection = more.connection ?? connectionOf(sim);
  const { loginUrl, clientId, name } = connection;
  const signIn = { loginUrl, clientId, clientSecret: new Secret(sim.ready.client_secret), name };
  return await probe({
    connection,
    signIn,
    tokens: new ClientCredentialsTokens(() => signIn, systemClock),
    // As patient as the real one would be with windows of 100 ms.
    budget: testBudget(t, { windows: { hour: 3_600_000, spike: 100 } }),
    log: silentLog,
    wanted: { project: undefined, folder },
    spikeSeconds: 0,
    ...more,
  });
}

const answersOf = ({ facts }: ProbeReport): Record<string, string | undefined> =>
  Object.fromEntries(facts.map(({ name, answer }) => [name, answer]));

t.test('every switch has a fact; what cannot be seen has its reason', async (t) => {
  const rows = new Map(factTable.map((row) => [row.name, row]));
  for (const name of names) {
    const row = rows.get(name);
    t.ok(row, `${name} has a row`);
    const reason = NOT_SEEN[name];
    t.equal(row?.how === 'cannot', reason !== undefined, `${name}: ${row?.how}`);
    if (reason) t.match(row?.why, reason, name);
  }
  t.equal(rows.size, factTable.length, 'no row twice');
});

/** Positions that cover each value of each switch, and mixed ones. */
function batches(): Record<string, string>[] {
  const most = Math.max(...together.map((name) => switchTable[name].values.length));
  const at = (pick: (name: SwitchName, values: readonly string[], i: number) => number) =>
    Object.fromEntries(
      together.map((name, i) => {
        const { values } = switchTable[name];
        return [name, values[pick(name, values, i) % values.length]!];
      }),
    );
  const covering = Array.from({ length: most }, (_, batch) => at(() => batch));
  // Neighbours apart: other combinations than those where all stand alike.
  const mixed = [1, 2, 3].map((batch) =>
    at((_, values, i) => Math.floor((i * 7 + batch * 13) / values.length) + i * batch),
  );
  return [...covering, ...mixed];
}

t.test('with writing, every position of every switch is found, and nothing is left', async (t) => {
  const all = batches();
  for (const name of together)
    t.equal(new Set(all.map((one) => one[name])).size, switchTable[name].values.length, `${name} in every position`);
  const work = async (sim: RunningSimulator, mine: Record<string, string>[]) => {
    for (const positions of mine) {
      await sim.admin.switches(positions);
      const before = await sim.admin.tree({ hash: false });
      await sim.admin.reset();
      const report = await run(t, sim, '/');
      const label = JSON.stringify(positions);
      t.equal(report.failure, undefined, label);
      const found = answersOf(report);
      for (const [name, value] of Object.entries(expected(positions)))
        if (!NOT_SEEN[name as SwitchName]) t.equal(found[name], value, `${name} is ${value}`);
      const calls = await sim.admin.calls();
      t.equal(calls.total, report.calls, 'every call is told');
      t.equal(calls.status4xx, report.refused, 'and every refusal');
      t.ok(report.calls <= MOST_CALLS.read + MOST_CALLS.write, `${report.calls} calls`);
      t.comment(`${report.calls} calls, ${report.refused} refused`);
      t.match(report.cleanUp, { deleted: true });
      t.strictSame(await sim.admin.tree({ hash: false }), before, 'the project is as before');
    }
  };
  const sims = await Promise.all(Array.from({ length: 4 }, () => started(t)));
  await Promise.all(
    sims.map((sim, i) =>
      work(
        sim,
        all.filter((_, n) => n % sims.length === i),
      ),
    ),
  );
});

t.test('without writing, only reading calls are made, and what they show is found', async (t) => {
  const sim = await started(t, {
    projects: 2,
    switch: ['project-names=same', 'per-page-beyond=400', 'unknown-sort=400'],
  });
  await sim.admin.switches({ 'unknown-filter': '400', 'company-header-on-companies': 'optional' });
  const report = await run(t, sim, undefined);
  t.equal(report.failure, undefined);
  t.equal(report.cleanUp, undefined);
  const { total, byRoute } = await sim.admin.calls();
  t.equal(total, report.calls);
  t.ok(total <= MOST_CALLS.read, `${total} calls`);
  t.ok(Object.keys(byRoute).every((route) => route.startsWith('GET ')));
  const found = answersOf(report);
  t.equal(found['project-names'], 'same');
  t.equal(found['private-items'], 'visible');
  const seen = await sim.admin.switches();
  // A run that only reads sees whether the project can be read, not whether it can be written.
  const apart: readonly string[] = ['project-access', 'spike-window', 'project-names', 'private-items'];
  for (const { name, how } of factTable) {
    if (how === 'read' && Object.hasOwn(seen, name) && !apart.includes(name)) t.equal(found[name], seen[name], name);
    else if (how === 'write')
      t.match(
        report.facts.find((one) => one.name === name),
        { answer: undefined, why: 'needs --write' },
      );
  }
  t.equal(found['url-lifetime'], '3600');
  const unique = await started(t, { projects: 2, items: 20 });
  t.equal(answersOf(await run(t, unique, undefined))['project-names'], 'unique');
});

t.test(
  'which index answers, and its longest page, are found, and the other facts by the one that answers',
  async (t) => {
    const sim = await started(t);
    for (const [denial, rows] of [
      ['denied', '100'],
      ['gone', '250'],
    ] as const) {
      await sim.admin.switches({ 'index-v1': denial, 'index-v2-rows': rows });
      const found = answersOf(await run(t, sim, undefined));
      t.match(found, { 'index-v1': denial, 'index-v2': 'present', 'index-v2-rows': rows, 'total-header': 'yes' });
    }
    await sim.admin.switches({ 'index-v1': 'allowed', 'index-v2': 'absent' });
    t.match(answersOf(await run(t, sim, undefined)), { 'index-v1': 'allowed', 'index-v2': 'absent' });
  },
);

t.test('what the account may do is told by the refusal, without a call more', async (t) => {
  const sim = await started(t);
  const cases = [
    [{ 'app-connected': 'no' }, 'app-connected', 'no', 3],
    [{ 'app-connected': 'yes', 'project-access': 'not-permitted' }, 'project-access', 'not-permitted', 4],
    [{ 'project-access': 'tool-off' }, 'project-access', 'tool-off', 4],
    [{ 'project-access': 'read' }, 'project-access', 'read', MOST_CALLS.read + 1],
  ] as const;
  for (const [switches, name, answer, most] of cases) {
    await sim.admin.switches(switches);
    const report = await run(t, sim, '');
    t.equal(answersOf(report)[name], answer);
    t.ok(report.calls <= most, `${report.calls} calls`);
    t.equal(report.cleanUp, undefined, 'nothing was made');
  }
});

t.test('what was made is deleted when a call fails, when its own reply is lost, and on an interruption', async (t) => {
  const sim = await started(t);
  const before = await sim.admin.tree({ hash: false });
  const clean = async (report: ProbeReport) => {
    t.ok(report.failure, 'the failure is told');
    t.match(report.cleanUp, { deleted: true });
    t.equal(answersOf(report)['total-header'], 'yes', 'what was found before is kept');
    t.strictSame(await sim.admin.tree({ hash: false }), before);
  };
  await sim.admin.faults({ '500-html': { probability: 1, route: 'POST /rest/v1.0/files' } });
  await clean(await run(t, sim, '/'));
  await sim.admin.noFaults();
  await sim.admin.faults({ 'reset-after': { probability: 1, route: 'POST /rest/v1.0/folders' } });
  await clean(await run(t, sim, '/'));
  await sim.admin.noFaults();

  const end = new AbortController();
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal) => {
      // The first pause comes when everything has been made.
      if (ms === 1100) end.abort(new Error('Ctrl-C'));
      return systemClock.sleep(ms, signal);
    },
  };
  const report = await run(t, sim, '/', { signal: end.signal, clock });
  await clean(report);
  t.match(report.failure, { message: 'Ctrl-C' });
  t.equal(answersOf(report)['name-characters'], 'kept', 'an answer that came before the interruption');
});

t.test(
  'a folder below the root is found by its path; one that is not there ends the probe before anything is made',
  async (t) => {
    const sim = await started(t);
    const folder = (await sim.admin.tree({ hash: false })).find(
      (one) => one.type === 'folder' && one.path.split('/').length === 2,
    )!;
    await sim.admin.faults({ '500-html': { probability: 1, route: 'POST /rest/v1.1/projects/:id/uploads' } });
    const report = await run(t, sim, folder.path);
    t.match(report.cleanUp, { deleted: true });
    t.match(report.failure, { code: 'server-error' });
    const missing = await run(t, sim, `${folder.path}/none`);
    t.match(missing.failure, { code: 'no-such-item', message: `there is no /${folder.path}/none` });
    const several = await started(t, { projects: 2, items: 5 });
    const { project: _, ...unbound } = connectionOf(several);
    t.match((await run(t, several, '/', { connection: unbound })).failure, { code: 'usage' });
  },
);
