import t from 'tap';
import { jobRuns, seedsFrom } from '../helpers/cases-interleave.js';
import { JOB_SEEDS } from './seeds.js';

t.test('whatever people do between two calls of a run, a job loses nothing and doubles nothing', async (t) => {
  const { runs, acts } = await jobRuns(t, [...JOB_SEEDS, ...seedsFrom(1000, 200)]);
  t.ok(runs >= 600, `${runs} runs`);
  t.ok(acts >= 600, `${acts} acts while one was on its way`);
});
