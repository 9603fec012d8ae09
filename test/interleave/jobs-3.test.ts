import t from 'tap';
import { jobsPart } from '../helpers/cases-interleave.js';

t.test('whatever people do between two calls of a run, a job loses nothing and doubles nothing', (t) =>
  jobsPart(t, [], 1300),
);
