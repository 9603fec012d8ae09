import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { silentLog } from '#src/base/log.js';
import { ReplyClock } from '#src/procore/reply-clock.js';

const DAY = 86_400;
const YEAR = 365 * DAY;
const START = 1_700_000_000;

/** What is made of dates that come `every` seconds: each is how far it is off the server's real time, or none. */
function times(off: readonly (number | undefined)[], every = 2): number[] {
  let here = 0;
  const clock = { ...systemClock, monotonic: () => here * 1000, now: () => 5000 };
  const server = new ReplyClock(clock, silentLog);
  return off.map((seconds) => {
    here += every;
    return server.at(seconds === undefined ? undefined : START + here + seconds) - START - here;
  });
}

t.test('one date that is wrong counts as little as one that cannot be read', async (t) => {
  for (const off of [DAY, YEAR, 3600]) t.strictSame(times([0, 0, off, 0]), [0, 0, 0, 0], `${off} ahead`);
  t.strictSame(times([0, undefined, 0]), [0, 0, 0]);
  t.strictSame(times([0, -DAY, 0, DAY, -YEAR, 0]), [0, -DAY, 0, 0, -YEAR, 0], 'never ahead');
  t.strictSame(times([0, DAY, YEAR, DAY, YEAR, DAY, 0], 20).at(-1), 0, 'what does not agree is no clock');
});

t.test('a reply may have been on its way, and several machines answer', async (t) => {
  t.strictSame(times([0, -120, 0, 3, 0]), [0, -120, 0, 3, 0]);
});

t.test('a clock that was set is believed when several replies say the same', async (t) => {
  for (const off of [DAY, -DAY, YEAR]) {
    const told = times([0, off, off, off, off, off, off], 5);
    t.strictSame(told.slice(-3), [off, off, off], `${off}`);
  }
});

t.test('where the first date is the wrong one the next ones correct it', async (t) => {
  t.strictSame(times([DAY, 0, 0, 0, 0]), [DAY, 0, 0, 0, 0]);
  t.strictSame(times([DAY, 0, 0, 0, 0, 0, 0, DAY, 0], 5).slice(-2), [0, 0]);
});

t.test('without any date the time is that of this machine', async (t) => {
  t.strictSame(times([undefined], 0), [5 - START]);
});
