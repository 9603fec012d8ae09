import t from 'tap';
import { outboxSequences, seedsFrom } from '../helpers/cases-interleave.js';
import { OUTBOX_SEEDS } from './seeds.js';

const SEQUENCES = 300;

t.test('whatever happens between two calls, what waits to go up loses nothing and doubles nothing', async (t) => {
  const seeds = [...OUTBOX_SEEDS.filter((_, n) => n % 2 === 0), ...seedsFrom(10_000, SEQUENCES)];
  const { sequences, duringSend, unseen, oldDatabases, kills } = await outboxSequences(t, seeds);
  t.ok(sequences >= 300, `${sequences} sequences`);
  t.ok(duringSend >= 50, `${duringSend} changes of colleagues while a call was on its way`);
  t.ok(unseen >= 50, `${unseen} changes of colleagues that no poll had seen when something went up`);
  t.ok(oldDatabases >= 10, `${oldDatabases} older databases put back`);
  t.ok(kills >= 10, `${kills} kills`);
});
