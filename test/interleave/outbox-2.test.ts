import t from 'tap';
import { outboxPart } from '../scenarios/interleave.js';

for (const first of [20_000, 30_000, 20_200])
  t.test(`from seed ${first}: whatever happens between two calls, the outbox loses nothing and doubles nothing`, (t) =>
    outboxPart(t, [], first),
  );
