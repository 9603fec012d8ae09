import t from 'tap';
import { writeKillScenario } from '../helpers/cases-write-kill.js';
import { seedOf } from '../helpers/random.js';

t.test('a daemon that is killed at any moment loses and doubles nothing', (t) => writeKillScenario(t, 12, seedOf()));
