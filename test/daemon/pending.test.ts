import t from 'tap';
import { doubtScenario } from '../scenarios/doubt.js';
import { pendingScenario } from '../scenarios/pending.js';

t.test('polls, listings and stale replies while changes wait: none is undone', (t) => pendingScenario(t, 'kernel'));
t.test('what a lost reply left in doubt is there once, whatever polls show', (t) => doubtScenario(t, 'kernel'));
