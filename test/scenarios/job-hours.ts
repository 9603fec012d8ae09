import type { WindowKind } from '#src/simulator/http/window.js';
import { callers, HOUR, serverOf } from '../support/net-rate-server.js';
import { randomBy } from '../support/random.js';
import type { Scenario } from './scenarios.js';

const HOURLY = 3600;
/** Of a complete hour. */
const LEAST = 0.95;

/**
 * The calls of a job that fill several hours, while a person asks something now and then. Hours as they are, on virtual
 * time: where they are shortened, the speed of the machine is a part of what one sees.
 */
export async function jobHours(
  t: Scenario,
  calls: number,
  how: 'manual' | 'schedule',
  kind: WindowKind,
): Promise<void> {
  const server = serverOf(t, { kind });
  const caller = callers(t, server, 1)();
  const { time } = server;
  const random = randomBy(2);
  let [runs, longest, asked] = [0, 0, 0];
  const person = async (): Promise<void> => {
    while (runs === 0) {
      await time.sleep(120_000 * random());
      const start = time.now;
      await caller.call('interactive');
      longest = Math.max(longest, time.now - start);
      asked++;
    }
  };
  void person();
  void caller.job(calls, how, 4).then((count) => {
    runs = count;
  });
  const hours = Math.ceil(calls / HOURLY);
  await time.pass((hours + 1) * HOUR);
  const uses = server.hour.uses(time.now).map(({ used }) => used);
  t.comment(
    `${how}, ${kind} hours: ${runs} runs used ${uses.join(', ')}; a person asked ${asked} times and waited ${longest.toFixed(0)} ms at most`,
  );
  t.ok(runs > 0, 'it is done');
  // Of the first hour of a clock a part had passed when the job began; in the last one it ended.
  const whole = uses.slice(kind === 'fixed' ? 0 : 1, hours - 1);
  t.ok(whole.length > 0, 'there are complete hours');
  for (const used of whole) t.ok(used >= LEAST * HOURLY, `${used} calls of an hour`);
  t.equal(server.refused(), 0, 'replies 429');
  t.ok(longest <= 1000, `a person waited ${longest.toFixed(0)} ms`);
  t.ok(how === 'manual' ? runs === 1 : runs > 1, `${runs} runs`);
}
