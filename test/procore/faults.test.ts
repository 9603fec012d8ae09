import t from 'tap';
import type { FaultName } from '#src/simulator/faults.js';
import { check, faultRun, faultScenario, READING_FAULTS } from '../scenarios/faults.js';

t.test('a project is crawled and read while every fault may hit: all bytes are right, few calls more', async (t) => {
  const run = await faultRun(t, 500, shared(0.2), 7);
  check(t, 'all at once', run);
  t.ok(run.files >= 450 && run.hits >= 20, `${run.hits} hits while ${run.files} files were read`);
});

t.test('the faults of which no reply tells', async (t) => {
  await faultScenario(t, 100, ['url-expired', 'wrong-size', 'malformed-json', 'stale-index', 'clock-skew'], 0.05, 7);
});

/** So much for all of them together. */
function shared(probability: number): Partial<Record<FaultName, number>> {
  const names = Object.keys(READING_FAULTS) as FaultName[];
  return Object.fromEntries(names.map((name) => [name, probability / names.length]));
}
