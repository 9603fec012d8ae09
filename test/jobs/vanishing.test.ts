import { existsSync } from 'node:fs';
import t from 'tap';
import { vanishingShare } from '../scenarios/vanishing.js';

const skip = existsSync('/usr/bin/sshfs') && existsSync('/usr/sbin/sshd') ? false : 'sshfs or sshd is not installed';

t.test('a share that goes away in a run: nothing half stays, and the next run goes on', { skip }, (t) =>
  vanishingShare(t, 40, 3),
);
