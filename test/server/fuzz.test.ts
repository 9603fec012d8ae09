import t from 'tap';
import { httpFuzz } from '../scenarios/http-fuzz.js';

t.test('requests of every form end the service with no error, and tell no secret', (t) =>
  httpFuzz(t, 1500, Number(process.env.PROCOREFS_TEST_SEED ?? 20261201)),
);
