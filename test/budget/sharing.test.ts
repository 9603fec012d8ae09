import t from 'tap';
import { callers, HOUR, RATE_START as START, serverOf, used } from '../support/net-rate-server.js';
import { randomBy } from '../support/random.js';

const kinds = ['fixed', 'clock-aligned', 'sliding'] as const;

for (const kind of kinds) {
  t.test(`two processes, one killed and started at random, share the hour: ${kind}`, async (t) => {
    const server = serverOf(t, { kind, hourly: 600 });
    const { time } = server;
    const spawn = callers(t, server, 7);
    spawn().demand('job', 4);
    let other = spawn();
    other.demand('job', 4);
    const random = randomBy(3);
    const end = START + 3 * HOUR;
    while (time.now < end) {
      await time.pass(Math.min(end - time.now, 600_000 * random()));
      other.kill();
      await time.pass(Math.min(end - time.now, 20_000 * random()));
      other = spawn();
      other.demand('job', 4);
    }
    t.equal(server.refused(), 0);
    t.ok(used(server, 3) >= 0.95, `${used(server, 3)} used`);
  });

  for (const pace of ['even', 'all at once'] as const)
    t.test(`another client that takes half of the hour, ${pace}, is noticed: ${kind}`, async (t) => {
      const server = serverOf(t, { kind, hourly: 600 });
      const { time } = server;
      callers(t, server, 9)().demand('job', 1);
      const other = async (): Promise<void> => {
        for (;;) {
          if (pace === 'even') {
            await time.sleep(12_000);
            const { status, headers } = server.answer(true);
            if (status === 429) await time.sleep(Number(headers['x-rate-limit-reset']) * 1000 - time.now);
          } else {
            await time.sleep(0.3 * HOUR);
            server.hour.take(time.now, 300);
            await time.sleep(0.7 * HOUR);
          }
        }
      };
      void other();
      await time.pass(3 * HOUR);
      const refused = [0, 1, 2].map((hour) => server.refused(START + hour * HOUR, START + (hour + 1) * HOUR));
      t.ok(
        refused.every((count) => count <= 1),
        `${refused} refused`,
      );
      t.ok(server.allowed() >= 0.9 * 3 * 300, `${server.allowed()} used of what was left`);
    });

  for (const skew of kind === 'fixed' ? [86_400_000, -86_400_000] : [0])
    t.test(`a limit that changes is followed, this clock ${skew / HOUR} h off: ${kind}`, async (t) => {
      const server = serverOf(t, { kind, hourly: 1200 });
      const { time, hour } = server;
      callers(t, server, 9, { clock: time.clock(skew) })().demand('job', 1);
      await time.pass(0.1 * HOUR);
      hour.limit = 200;
      await time.pass(1.4 * HOUR);
      hour.limit = 1200;
      // While the 200 are spent no reply can tell of the change.
      await time.pass(2 * HOUR);
      t.ok(server.refused() <= 1, `${server.refused()} refused`);
      t.ok(server.allowed(START + 1.5 * HOUR) > 1150, `${server.allowed(START + 1.5 * HOUR)} used again`);
    });
}
