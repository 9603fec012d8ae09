import t from 'tap';
import { killScenario } from '../scenarios/kill.js';

t.test('a daemon that is killed at any moment leaves nothing broken', (t) => killScenario(t, 3, 20_261_124));
