import t from 'tap';
import { jobsPart } from '../scenarios/interleave.js';
import { FIRST_OF_ALL } from '../support/interleave/jobs-run.js';
import { JOB_SEEDS } from './seeds.js';

for (const [found, first] of [
  [JOB_SEEDS, 1000],
  [[], FIRST_OF_ALL],
  [[], FIRST_OF_ALL + 210],
] as const)
  t.test(`from seed ${first}: whatever people do between two calls of a run, a job loses and doubles nothing`, (t) =>
    jobsPart(t, found, first),
  );
