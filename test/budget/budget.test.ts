import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { asCompanyId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import type { Budget, Permit } from '#src/budget/budget.js';
import type { CallClass } from '#src/budget/calls.js';
import { rateHeaders } from '#src/budget/headers.js';
import { isAlive, Ledger, ledgerPath, startTime } from '#src/budget/ledger.js';
import { systemBoot } from '#src/budget/server-clock.js';
import { WINDOWS } from '#src/budget/window-state.js';
import { Connections } from '#src/connections/store.js';
import { Session } from '#src/procore/session.js';
import { callers, HOUR, RateServer } from '../support/net-rate-server.js';
import { scratch, testBudget } from '../support/net-server.js';
import { VirtualTime } from '../support/net-virtual-time.js';
import { until } from '../support/processes.js';
import { simulator } from '../support/simulator.js';

const START = Date.UTC(2026, 10, 24, 11, 40);
const second = (ms: number): string => String(Math.ceil(ms / 1000));

t.test('headers are read, nonsense counts as missing', async (t) => {
  const date = 'Tue, 24 Nov 2026 12:00:00 GMT';
  const at = Date.UTC(2026, 10, 24, 12) / 1000;
  const limits = { 'x-rate-limit-limit': '25', 'x-rate-limit-remaining': '7', 'x-rate-limit-reset': `${at + 5}` };
  t.strictSame(rateHeaders({ date, ...limits, 'retry-after': '3' }), {
    date: at,
    window: { limit: 25, remaining: 7, reset: at + 5 },
    retryAfter: 3,
  });
  t.equal(rateHeaders({ date, 'retry-after': 'Tue, 24 Nov 2026 12:00:09 GMT' }).retryAfter, 9);
  t.strictSame(rateHeaders({ date: 'soon', ...limits, 'x-rate-limit-limit': '-1', 'retry-after': 'x' }), {
    date: undefined,
    window: undefined,
    retryAfter: undefined,
  });
});

t.test('people go first, then upkeep, then the jobs in turn', async (t) => {
  const time = new VirtualTime(START);
  time.install(t);
  const server = new RateServer(time, { kind: 'fixed' });
  const { budget } = callers(t, server, 1)();
  const order: string[] = [];
  const ask = (callClass: CallClass, name: string, job?: string): void => {
    const options = { class: callClass, ...(job ? { job } : {}) };
    void budget.acquire(options, name).then(async (permit) => {
      order.push(name);
      const { status, headers } = await server.call(10, 10);
      permit.answered(status, headers);
    });
  };
  ask('job', 'first');
  await time.pass(1);
  for (const name of ['a1', 'a2', 'a3']) ask('job', name, 'a');
  for (const name of ['b1', 'b2']) ask('job', name, 'b');
  ask('background', 'upkeep');
  ask('interactive', 'person');
  t.match(budget.status().waiting[0], { class: 'interactive', label: 'person' });
  await time.pass(60_000);
  t.strictSame(order, ['first', 'person', 'upkeep', 'a1', 'b1', 'a2', 'b2', 'a3']);
});

t.test('a pause that the server asks for is kept: the later of Retry-After and the reset', async (t) => {
  const replies = [
    { status: 503, after: 7, headers: { 'retry-after': '7' } },
    { status: 503, after: 5, headers: {} },
    { status: 429, after: 9, headers: { 'retry-after': '2', 'x-rate-limit-limit': '25' }, reset: 9 },
    { status: 429, after: 40, headers: { 'retry-after': '40', 'x-rate-limit-limit': '25' }, reset: 9 },
  ];
  for (const reply of replies) {
    const time = new VirtualTime(START);
    time.install(t);
    const server = new RateServer(time, { kind: 'fixed' });
    const caller = callers(t, server, 1)();
    const permit = await grant(time, caller.budget);
    const limits = reply.reset
      ? { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': second(time.now + reply.reset * 1000) }
      : {};
    permit.answered(reply.status, { date: new Date(time.now).toUTCString(), ...reply.headers, ...limits });
    const start = time.now;
    let granted = 0;
    void caller.budget.acquire({ class: 'background' }, 'GET /x').then(() => (granted = time.now));
    await time.pass(120_000);
    const waited = granted - start;
    t.ok(waited >= reply.after * 1000 && waited <= reply.after * 1000 + 2500, `${reply.status}: waited ${waited} ms`);
    caller.kill();
  }
});

async function grant(time: VirtualTime, budget: Budget, callClass: CallClass = 'interactive'): Promise<Permit> {
  let permit: Permit | undefined;
  void budget.acquire({ class: callClass }, 'GET /x').then((given) => (permit = given));
  for (let n = 0; permit === undefined && n < 100; n++) await time.pass(200);
  return permit!;
}

t.test('when the hour is spent people wait for a while and hear until when, upkeep waits on', async (t) => {
  const time = new VirtualTime(START);
  time.install(t);
  const server = new RateServer(time, { kind: 'fixed', hourly: 10 });
  const caller = callers(t, server, 1, { budgetWait: 30_000 })();
  for (let n = 0; n < 10; n++) {
    const permit = await grant(time, caller.budget);
    const { status, headers } = server.answer();
    permit.answered(status, headers);
  }
  const { hour, spent } = caller.budget.status();
  t.match(hour, { limit: 10, remaining: 0 });
  t.ok(Math.abs(hour.reset! - START / 1000 - 3600) <= 2);
  t.match(spent, { interactive: 10, job: 0 });

  const start = time.now;
  let refusedAfter = 0;
  let granted = false;
  const person = caller.budget.acquire({ class: 'interactive' }, 'GET /x').catch((error) => {
    refusedAfter = time.now - start;
    return error;
  });
  void caller.budget.acquire({ class: 'background' }, 'GET /y').then(() => (granted = true));
  const controller = new AbortController();
  const left = caller.budget.acquire({ class: 'job', signal: controller.signal }, 'GET /z');
  await time.pass(31_000);
  t.match(await person, { code: 'budget-exhausted', details: { until: /^2026-11-24T12:40:0/ } });
  t.equal(refusedAfter, 30_000);
  controller.abort(new Error('left'));
  await t.rejects(left, /left/);
  t.equal(granted, false);
  await time.pass(HOUR);
  t.equal(granted, true);
  t.equal(server.refused(), 0);
});

t.test('a closed budget turns everyone away', async (t) => {
  const budget = testBudget(t);
  await budget.acquire({ class: 'interactive' }, 'GET /x');
  const waiting = budget.acquire({ class: 'job' }, 'GET /y');
  budget.close();
  await t.rejects(waiting, { code: 'interrupted' });
  await t.rejects(budget.acquire({ class: 'job' }, 'GET /z'), { code: 'interrupted' });
});

t.test('a clock that is set while calls wait does not stall them', async (t) => {
  const time = new VirtualTime(START);
  time.install(t);
  const server = new RateServer(time, { kind: 'fixed' });
  let skew = 0;
  const clock = { ...time.clock(), now: () => time.now + skew };
  Date.now = clock.now;
  const caller = callers(t, server, 1, { clock })();
  caller.demand('background', 4);
  await time.pass(30_000);
  const before = server.allowed();
  skew = -86_400_000;
  await time.pass(60_000);
  t.ok(server.allowed() - before >= 80, `${server.allowed() - before} calls in a minute`);
  skew = 86_400_000;
  await time.pass(60_000);
  t.ok(server.allowed() - before >= 160);
  t.equal(server.refused(), 0);
});

t.test('a call is on disk before it is granted: kill -9 of writers at random forgets none', async (t) => {
  const path = join(scratch(t), 'budget.db');
  const script = fileURLToPath(new URL('../support/net-ledger-process.js', import.meta.url));
  const granted: number[] = [];
  const run = async (ms: number): Promise<void> => {
    const child = fork(script, [path], { execArgv: [] });
    t.teardown(() => child.kill('SIGKILL'));
    let own = 0;
    child.on('message', (id: number) => {
      granted.push(id);
      own++;
    });
    await once(child, 'message');
    await systemClock.sleep(ms);
    // A slow disk takes few in that time.
    await until(() => own > 10);
    child.kill('SIGKILL');
    await once(child, 'close');
  };
  await Promise.all([run(300), run(120).then(() => run(120))]);
  const limits = { windows: WINDOWS, cap: 1_000_000 };
  const ledger = new Ledger({ path, limits, clock: systemClock, boot: systemBoot, isAlive });
  t.teardown(() => ledger.close());
  t.ok(granted.length > 20, `${granted.length} granted`);
  t.equal(new Set(granted).size, granted.length, 'no call was granted twice');
  const { facts, spent } = ledger.status();
  t.ok(spent.job >= granted.length, 'all are remembered');
  t.equal(facts.lastCall, spent.job);
  t.equal(facts.underWay, 0, 'calls of dead processes are not waited for');
});

t.test('processes are told apart by pid and start time', async (t) => {
  t.equal(isAlive(process.pid, startTime(process.pid)), true);
  t.equal(isAlive(process.pid, '1'), false);
  t.equal(isAlive(2 ** 22 - 1, '1'), false);
});

t.test('each client id and host has a ledger of its own', async (t) => {
  const paths = [
    ledgerPath('/state', 'a', 'https://api.procore.com'),
    ledgerPath('/state', 'b', 'https://api.procore.com'),
    ledgerPath('/state', 'a', 'https://sandbox.procore.com/'),
  ];
  t.equal(new Set(paths).size, 3);
  t.equal(paths[2], ledgerPath('/state', 'a', 'https://sandbox.procore.com'));
});

t.test('a burst from the first call on is never refused by a server with both windows', async (t) => {
  for (const spikeWindow of ['fixed', 'sliding']) {
    const server = await simulator(t, { items: 20, spikeSeconds: 1, switch: [`spike-window=${spikeWindow}`] });
    const { api, login, client_id, client_secret, company_id } = server.ready;
    const stateFolder = scratch(t);
    const connections = new Connections(stateFolder);
    const fields = { apiUrl: api, loginUrl: login, clientId: client_id, grant: 'client-credentials' } as const;
    const connection = connections.add({ ...fields, company: asCompanyId(company_id) }, new Secret(client_secret));
    // Twice the server's, so that a busy machine's delays do not count.
    const windows = { hour: 3_600_000, spike: 2000 };
    const session = new Session(connection, { stateFolder, secrets: connections.secrets, log: silentLog, windows });
    t.teardown(() => session.close());
    await Promise.all(Array.from({ length: 60 }, () => session.client.me({ class: 'interactive' })));
    const calls = await server.admin.calls();
    t.equal(calls.total, 60);
    t.equal(calls.status429, 0);
    t.match(session.budget.status(), { spent: { interactive: 60 }, refused4xx: 0, spike: { limit: 25 } });
  }
});

t.test('a call that is given up while the ledger cannot be read is refused, and nothing else happens', async (t) => {
  const path = join(scratch(t), 'budget.db');
  const budgetWait = 12_345;
  let giveUp = (): void => undefined;
  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    ms === budgetWait ? new Promise((resolve) => (giveUp = resolve)) : systemClock.sleep(ms, signal);
  const budget = testBudget(t, { path, clock: { ...systemClock, sleep }, maxCallsPerHour: 1, budgetWait });
  (await budget.acquire({ class: 'interactive' }, 'first')).ended();
  const second = budget.acquire({ class: 'interactive' }, 'second');
  const writer = new BetterSqlite3(path);
  t.teardown(() => writer.close());
  writer.exec('ALTER TABLE calls RENAME TO lost');
  giveUp();
  await t.rejects(second, /calls/);
  writer.exec('ALTER TABLE lost RENAME TO calls');
});
