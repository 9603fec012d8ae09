import t from 'tap';
import { outboxPart } from '../scenarios/interleave.js';
import { OUTBOX_SEEDS } from './seeds.js';

for (const first of [10_000, 10_100, 10_200])
  t.test(`from seed ${first}: whatever happens between two calls, the outbox loses nothing and doubles nothing`, (t) =>
    outboxPart(t, first === 10_000 ? OUTBOX_SEEDS : [], first),
  );
