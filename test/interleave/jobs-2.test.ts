import t from 'tap';
import { jobsPart } from '../scenarios/interleave.js';
import { FIRST_OF_ALL } from '../support/interleave/jobs-run.js';

t.test('whatever people do between two calls of a run, a job loses nothing and doubles nothing', (t) =>
  jobsPart(t, [], FIRST_OF_ALL),
);
