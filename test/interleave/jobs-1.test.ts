import t from 'tap';
import { jobsPart } from '../scenarios/interleave.js';
import { JOB_SEEDS } from './seeds.js';

t.test('whatever people do between two calls of a run, a job loses nothing and doubles nothing', (t) =>
  jobsPart(t, JOB_SEEDS, 1000),
);
