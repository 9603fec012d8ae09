import t from 'tap';
import { pendingScenario } from '../helpers/cases-pending.js';

t.test('polls, listings and stale replies while changes wait: none is undone', (t) => pendingScenario(t, 'kernel'));
