import t from 'tap';
import { outboxPart } from '../scenarios/interleave.js';

t.test('whatever happens between two calls, what waits to go up loses nothing and doubles nothing', (t) =>
  outboxPart(t, [], 10_100),
);
