import t from 'tap';
import { RateWindow } from '#src/simulator/http/window.js';

const HOUR = 3_600_000;
const START = 1_800_000_000_000 + 1_234_567;

t.test('a fixed window begins with its first call', async (t) => {
  const window = new RateWindow('fixed', 3, HOUR);
  t.same(window.state(START), { limit: 3, remaining: 3, reset: Math.ceil((START + HOUR) / 1000) });
  t.ok(window.take(START + 5_000));
  t.ok(window.take(START + 6_000));
  t.ok(window.take(START + HOUR + 4_999), 'the third');
  t.notOk(window.take(START + HOUR + 4_999), 'the fourth');
  t.same(window.state(START + HOUR), { limit: 3, remaining: 0, reset: Math.ceil((START + 5_000 + HOUR) / 1000) });
  t.ok(window.take(START + HOUR + 5_000), 'a new window');
  t.same(window.uses(START + HOUR + 5_001), [
    { used: 4, limit: 3 },
    { used: 1, limit: 3 },
  ]);
  window.forgetUses();
  t.same(window.uses(START + HOUR + 5_001), [{ used: 1, limit: 3 }]);
});

t.test('an aligned window begins with the hour of the clock', async (t) => {
  const window = new RateWindow('clock-aligned', 1, HOUR);
  const next = Math.ceil(START / HOUR) * HOUR;
  t.ok(window.take(next - 1));
  t.equal(window.state(next - 1).reset, next / 1000);
  t.notOk(window.take(next - 1));
  t.ok(window.take(next));
  t.notOk(window.take(next + HOUR - 1));
});

t.test('a sliding window frees each call an hour after it was made', async (t) => {
  const window = new RateWindow('sliding', 2, HOUR);
  t.ok(window.take(START));
  t.ok(window.take(START + 10_000));
  t.equal(window.state(START + 10_000).reset, Math.ceil((START + HOUR) / 1000));
  t.notOk(window.take(START + 20_000), 'refused, but counted');
  t.equal(window.state(START + 20_000).reset, Math.ceil((START + 10_000 + HOUR) / 1000));
  t.notOk(window.take(START + HOUR + 1), 'two of the last hour are left');
  t.ok(window.take(START + 2 * HOUR + 2));
});

t.test('a limit that changes holds at once', async (t) => {
  const window = new RateWindow('fixed', 10, HOUR);
  t.ok(window.take(START, 5));
  window.limit = 5;
  t.equal(window.state(START).remaining, 0);
  t.notOk(window.take(START));
  window.limit = 10;
  t.ok(window.take(START));
});
