import t from 'tap';
import { killRounds } from '../scenarios/kill-rounds.js';

const seed = Number(process.env.PROCOREFS_TEST_SEED ?? 20_261_201);

t.test('programs, a colleague and kills at any moment: nothing is lost or doubled', async (t) => {
  const { lost, doubled } = await killRounds(t, 4, seed, 2);
  t.equal(lost, 0, 'lost');
  t.equal(doubled, 0, 'doubled');
});
