import t from 'tap';
import { doubtScenario } from '../helpers/cases-doubt.js';
import { pendingScenario } from '../helpers/cases-pending.js';

t.test('polls, listings and stale replies while changes wait: none is undone', (t) => pendingScenario(t, 'kernel'));
t.test('what a lost reply left in doubt is there once, whatever polls show', (t) => doubtScenario(t, 'kernel'));
