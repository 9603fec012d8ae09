import t from 'tap';
import { writeKillScenario } from '../scenarios/write-kill.js';

const seed = Number(process.env.PROCOREFS_TEST_SEED ?? 20_261_124);

t.test('a daemon that is killed at any moment loses and doubles nothing', (t) => writeKillScenario(t, 6, seed));
