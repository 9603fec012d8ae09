import { systemClock } from '#src/base/clock.js';
import { isAlive, Ledger } from '#src/budget/ledger.js';
import { systemBoot } from '#src/budget/server-clock.js';
import { WINDOWS } from '#src/budget/window-state.js';

/** Runs in a child process: takes calls from the ledger named by the first argument and reports each, until killed. */
const [, , path = ''] = process.argv;
const limits = { windows: { ...WINDOWS, spike: 1 }, cap: 1_000_000 };
const ledger = new Ledger({ path, limits, clock: systemClock, boot: systemBoot, isAlive });
const next = (): void => {
  const entry = ledger.take('job', false);
  if (!('id' in entry)) return void setTimeout(next, 1);
  process.send?.(entry.id, () => {
    ledger.answered(entry, 200, { date: undefined, window: undefined, retryAfter: undefined });
    setTimeout(next, 1);
  });
};
next();
