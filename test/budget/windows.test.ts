import t from 'tap';
import {
  callers,
  HOUR,
  type RateServerOptions,
  RATE_START as START,
  serverOf,
  used,
} from '../support/net-rate-server.js';
import { randomBy } from '../support/random.js';

const kinds = ['fixed', 'clock-aligned', 'sliding'] as const;

const cases: RateServerOptions[] = [
  { kind: 'sliding', hourly: 1800 },
  ...kinds.map((kind) => ({ kind, hourly: 600 })),
  { kind: 'sliding', hourly: 600, resetOfAll: true },
  { kind: 'fixed', hourly: 600, spikeKind: 'fixed', spike: 12 },
  { kind: 'clock-aligned', hourly: 600, spikeKind: 'clock-aligned' },
];
for (const options of cases) {
  t.test(`endless demand uses the hour up and no more: ${JSON.stringify(options)}`, async (t) => {
    const server = serverOf(t, options);
    const caller = callers(t, server, 1)();
    caller.demand('job', 4);
    await server.time.pass(3 * HOUR);
    t.equal(server.refused(), 0);
    t.ok(used(server, 3) >= 0.97, `${used(server, 3)} used`);
  });
}

t.test('headers cannot raise the hour above 3,600 calls, and a lower cap of ours holds', async (t) => {
  for (const [maxCallsPerHour, cap] of [
    [undefined, 3600],
    [200, 200],
  ] as const) {
    const server = serverOf(t, { kind: 'fixed', hourly: 100_000, spike: 100 });
    const caller = callers(t, server, 1, maxCallsPerHour === undefined ? {} : { maxCallsPerHour })();
    caller.demand('job', 8);
    caller.demand('interactive', 1);
    await server.time.pass(1.5 * HOUR);
    const at = server.arrivals.map((call) => call.at);
    for (let n = 0; n + cap < at.length; n++) {
      if (at[n + cap]! - at[n]! < HOUR) return t.fail(`${cap + 1} calls in ${at[n + cap]! - at[n]!} ms`);
    }
    t.ok(at.length > cap, 'and the next hour is used');
    caller.kill();
  }
});

t.test('without any header a burst from the first call on stays inside the spike window', async (t) => {
  for (const spikeKind of kinds) {
    const server = serverOf(t, { kind: 'fixed', spikeKind, silent: true });
    const caller = callers(t, server, 5)();
    const results = Array.from({ length: 100 }, () => caller.call('interactive').catch(() => undefined));
    await server.time.pass(60_000);
    t.ok((await Promise.all(results)).filter(Boolean).length >= 60, spikeKind);
    t.equal(server.refused(), 0, spikeKind);
    caller.kill();
  }
});

t.test('a limit of the spike window that is lower than documented is learned from the first reply', async (t) => {
  const server = serverOf(t, { kind: 'fixed', spike: 8 });
  const caller = callers(t, server, 5)();
  const results = Array.from({ length: 30 }, () => caller.call('interactive').catch(() => undefined));
  await server.time.pass(HOUR);
  t.ok((await Promise.all(results)).filter(Boolean).length >= 16);
  t.equal(server.refused(), 0);
});

t.test('a spike limit that is higher than documented is not taken for the hour', async (t) => {
  for (const spike of [100, 1000]) {
    const server = serverOf(t, { kind: 'fixed', spike });
    const caller = callers(t, server, 5)();
    caller.demand('interactive', 10);
    await server.time.pass(30_000);
    t.match(caller.budget.status(), { hour: { limit: 3600 }, spike: { limit: spike } });
    t.ok(server.allowed() > 100, 'and it is used');
    t.equal(server.refused(), 0);
    caller.kill();
  }
});

t.test("an hour that is nearly spent and nearly over is not taken for the spike window's limit", async (t) => {
  const server = serverOf(t, { kind: 'clock-aligned', hourly: 300 });
  await server.time.pass(20 * 60_000 - 8000);
  server.hour.take(server.time.now, 280);
  const caller = callers(t, server, 5)();
  await Promise.all([caller.call('interactive'), server.time.pass(3000)]);
  t.match(caller.budget.status(), { hour: { limit: 300 }, spike: { limit: 25 } });
});

t.test('people hardly wait for a job that takes everything', async (t) => {
  const server = serverOf(t, { kind: 'sliding', hourly: 3600 });
  const { time } = server;
  const caller = callers(t, server, 9)();
  caller.demand('job', 6);
  const random = randomBy(5);
  const waits: number[] = [];
  let refused = 0;
  const person = async (): Promise<void> => {
    for (;;) {
      await time.sleep(-Math.log(1 - random()) * 45_000);
      const start = time.now;
      try {
        const permit = await caller.budget.acquire({ class: 'interactive' }, 'GET /x');
        waits.push(time.now - start);
        const { status, headers } = await server.call(50, 100);
        permit.answered(status, headers);
      } catch {
        refused++;
      }
    }
  };
  void person();
  await time.pass(1.05 * HOUR);
  waits.sort((a, b) => a - b);
  t.ok(waits.length > 60);
  t.ok(waits[Math.floor(waits.length * 0.99)]! <= 1000, `p99 ${waits[Math.floor(waits.length * 0.99)]} ms`);
  t.equal(refused, 0);
  t.equal(server.refused(), 0);
  t.ok(server.allowed(START, START + HOUR) > 3400, 'and the job has the rest');
});
