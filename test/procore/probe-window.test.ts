import t from 'tap';
import { type RateSeen, spikeKind, watchSpike } from '#src/procore/probe/spike-window.js';
import { RateWindow } from '#src/simulator/http/window.js';

/** A server's window of 10 seconds and the hour behind it, in a time of its own. */
function server(kind: RateWindow['kind'], start: number, latency: number) {
  const window = new RateWindow(kind, 25, 10_000);
  const seen: RateSeen[] = [];
  let now = start;
  let calls = 0;
  const call = async (): Promise<void> => {
    calls++;
    window.take(now);
    const { limit, remaining, reset } = window.state(now);
    seen.push({ at: now + latency, date: Math.floor(now / 1000), limit, remaining, reset });
    now += latency;
  };
  const sleep = async (ms: number): Promise<void> => {
    now += ms;
  };
  return { seen, call, sleep, now: () => now, calls: () => calls };
}

t.test('two calls on both sides of a reset tell how the spike window moves, whenever they begin', async (t) => {
  for (const kind of ['fixed', 'clock-aligned', 'sliding'] as const)
    for (let start = 0; start < 10_000; start += 370)
      for (const [before, latency] of [
        [0, 1],
        [3, 40],
        [12, 250],
      ] as const) {
        const one = server(kind, 1_800_000_000_000 + start, latency);
        for (let n = 0; n < before; n++) await one.call();
        await watchSpike(one);
        const found = spikeKind(one.seen);
        if (found !== kind) t.equal(found, kind, `${kind}, ${start} ms, ${before} calls before`);
        if (one.calls() - before > 3) t.fail(`${one.calls() - before} calls`);
      }
  t.pass('all found');
});

t.test('headers that describe the hour say nothing of the spike window', async (t) => {
  const hour = { limit: 600, remaining: 3, reset: 2000 };
  t.equal(spikeKind([0, 1, 2].map((n) => ({ at: n * 5000, date: 100 + 5 * n, ...hour }))), undefined);
  t.equal(spikeKind([]), undefined);
});
