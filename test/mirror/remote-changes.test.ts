import t from 'tap';
import { remoteChanges } from '../scenarios/remote-changes.js';

t.test('after a sweep the mirror is what the server has, whatever was changed there and here', (t) =>
  remoteChanges(t, 250, 20261128),
);
