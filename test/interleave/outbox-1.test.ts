import t from 'tap';
import { outboxPart } from '../scenarios/interleave.js';
import { OUTBOX_SEEDS } from './seeds.js';

t.test('whatever happens between two calls, what waits to go up loses nothing and doubles nothing', (t) =>
  outboxPart(t, OUTBOX_SEEDS, 10_000),
);
