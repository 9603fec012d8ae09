import t from 'tap';
import type { Caller } from '../support/net-rate-server.js';
import { callers, HOUR, RATE_START, RateServer } from '../support/net-rate-server.js';
import { VirtualTime } from '../support/net-virtual-time.js';

/** Looks for changes in `projects` projects, each by a process of its own, as often as it is let, for two hours. */
async function twoHours(
  t: { teardown(cleanup: () => unknown): unknown },
  looks: { hourly: number; projects: number; isWatched: boolean; every: number },
): Promise<RateServer> {
  const time = new VirtualTime(RATE_START);
  time.install(t);
  const server = new RateServer(time, { kind: 'fixed', hourly: looks.hourly });
  const next = callers(t, server, 1);
  const end = time.now + 2 * HOUR;
  const look = async ({ budget }: Caller): Promise<void> => {
    while (time.now < end) {
      await time.sleep(looks.every * 1000);
      for (let wait = 0; (wait = budget.upkeepWait(looks.isWatched)) >= 1; ) await time.sleep(wait);
      const permit = await budget.acquire({ class: 'background', upkeep: true }, 'GET /x');
      const { status, headers } = await server.call(20, 30);
      permit.answered(status, headers);
    }
  };
  const done = Promise.all(Array.from({ length: looks.projects }, () => look(next())));
  await time.pass(2 * HOUR + 600_000);
  await done;
  return server;
}

const CASES = [
  { hourly: 3600, projects: 1, isWatched: true, every: 4.5, least: 790, most: 900 },
  { hourly: 3600, projects: 6, isWatched: true, every: 4.5, least: 700, most: 900 },
  { hourly: 600, projects: 3, isWatched: true, every: 4.5, least: 110, most: 150 },
  { hourly: 3600, projects: 25, isWatched: false, every: 240, least: 120, most: 180 },
] as const;

for (const { least, most, ...looks } of CASES) {
  const who = `${looks.projects} projects that are ${looks.isWatched ? '' : 'not '}looked at`;
  t.test(`${who} take ${most} calls of ${looks.hourly} an hour at most`, async (t) => {
    const server = await twoHours(t, looks);
    const hours = [0, 1].map((n) => server.allowed(RATE_START + n * HOUR, RATE_START + (n + 1) * HOUR));
    t.comment(hours.join(', '));
    // How many calls an hour has, replies do not tell before few of them are left.
    t.ok((hours[0]! <= most + 15 || looks.hourly < 3600) && hours[1]! <= most, `${hours.join(' and ')} calls`);
    t.ok(hours[1]! >= least, 'the share is used');
    t.equal(server.refused(), 0);
  });
}

t.test('who looks as often as may be looks at an even pace', async (t) => {
  const time = new VirtualTime(RATE_START);
  time.install(t);
  const { budget } = callers(t, new RateServer(time, { kind: 'fixed', hourly: 3600 }), 1)();
  let longest = 0;
  const looks = async (): Promise<void> => {
    while (time.now < RATE_START + 1.5 * HOUR) {
      await time.sleep(3000);
      const wait = budget.upkeepWait(true);
      longest = Math.max(longest, wait);
      await time.sleep(wait);
      (await budget.acquire({ class: 'background', upkeep: true }, 'GET /x')).answered(200, {});
    }
  };
  const done = looks();
  await time.pass(2 * HOUR);
  await done;
  t.ok(longest <= 5000, `${longest} ms`);
});
