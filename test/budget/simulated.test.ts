import t from 'tap';
import { budgetBench, saturate } from '../scenarios/budget.js';
import { until } from '../support/processes.js';

const DAY = 86_400;

for (const seconds of [DAY, -DAY])
  t.test(`a limit that changes while jobs run is followed, the server's clock ${seconds} s ahead`, async (t) => {
    const { session, running } = await budgetBench(t, { spike: 1000, hourly: 3600 });
    const { admin } = running;
    await admin.faults({ 'clock-skew': { seconds } });
    const hour = () => session.budget.status().hour;
    const jobs = saturate(t, session, 4);
    await until(() => jobs.done >= 100);
    t.equal(hour().limit, 3600);

    await admin.limits({ hourly: 600 });
    await until(() => hour().limit === 600);
    await until(() => hour().remaining <= 70 && session.budget.status().waiting.length === 4);
    const stopped = (await admin.calls()).total;
    t.ok(stopped <= 600, `${stopped} calls, then the job waits`);
    await session.client.me({ class: 'interactive' });
    t.pass('people have their reserve');
    const server = Date.now() / 1000 + seconds;
    t.ok(hour().reset! > server && hour().reset! <= server + 3700, "the reset is in the server's time");

    await admin.limits({ hourly: 3600 });
    for (let n = 0; n < 100 && hour().limit === 600; n++) await session.client.me({ class: 'interactive' });
    t.equal(hour().limit, 3600, 'raised again');
    await until(() => jobs.done > 700);
    t.equal((await admin.calls()).status429, 0, 'nothing was refused');
  });

t.test('limits are those of the server after replies by a clock that was ahead', async (t) => {
  const { session, running } = await budgetBench(t, {});
  const { admin } = running;
  const call = () => session.client.me({ class: 'interactive' });
  for (const replies of [1, 3]) {
    await call();
    await admin.faults({ 'clock-skew': { seconds: DAY } });
    for (let n = 0; n < replies; n++) await call();
    await admin.noFaults();
    for (let n = 0; n < 2; n++) await call();
    const { hour, spike } = session.budget.status();
    t.match({ hour, spike }, { hour: { limit: 3600 }, spike: { limit: 25 } }, `${replies} replies`);
    t.ok(hour.reset! < Date.now() / 1000 + 3700 && spike.reset! < Date.now() / 1000 + 60);
  }
});
