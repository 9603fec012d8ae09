import t from 'tap';
import { optionTable, parseSimulatorOptions, simulatorOptions } from '#src/simulator/options.js';
import { startSimulator } from '#src/simulator/simulator.js';

t.test('every option has a default that it accepts, and words', async (t) => {
  const defaults = simulatorOptions();
  t.match(defaults, { port: 0, shape: 'normal', hourly: 3600, spike: 25, hour: 3600, fault: [], switch: [] });
  t.equal(defaults.from, undefined);
  for (const { flag, help, key, repeatable, default: fallback } of optionTable) {
    t.match(flag, /^--[a-z-]+$/);
    t.match(help, /^[^\n]{10,}$/, flag);
    if (!repeatable) t.equal(defaults[key], fallback, flag);
  }
});

t.test('a command line', async (t) => {
  const line =
    '--items 100000 --shape wide --latency=50 --hour 1.5 --fault slow=0.05 --fault 408 --switch pkce=checked';
  t.match(parseSimulatorOptions(line.split(' ')), {
    items: 100_000,
    shape: 'wide',
    latency: 50,
    hour: 1.5,
    fault: ['slow=0.05', '408'],
    switch: ['pkce=checked'],
  });
});

t.test('what makes no sense is a usage error', async (t) => {
  const bad = ['--items x', '--items -1', '--items 1.5', '--shape round', '--port 70000', '--nonsense 1', '--hour 0'];
  for (const line of bad) t.throws(() => parseSimulatorOptions(line.split(' ')), { code: 'usage' }, line);
  for (const line of ['--switch pkce', '--switch pkce=maybe', '--switch x=1', '--fault x', '--fault slow=2']) {
    await t.rejects(startSimulator(parseSimulatorOptions(line.split(' '))), { code: 'usage' }, line);
  }
  await t.rejects(startSimulator(parseSimulatorOptions(['--from', '/nonexistent'])), { code: 'usage' });
  const first = await startSimulator(simulatorOptions({ items: 5 }));
  t.teardown(() => first.close());
  const port = new URL(first.ready.api).port;
  await t.rejects(startSimulator(simulatorOptions({ items: 5, port })), { code: 'usage', details: { why: /taken/ } });
});
