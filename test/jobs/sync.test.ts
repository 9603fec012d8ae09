import t from 'tap';
import { randomSync } from '../scenarios/job-sync.js';
import { failingDiskUnavailable } from '../support/failing-disk.js';

const SEED = 20_261_124;

t.test(
  'two folders changed at random come together, whatever is killed or fails',
  { skip: failingDiskUnavailable },
  (t) => randomSync(t, 'folder', 50, SEED),
);

t.test(
  'a folder and a project changed at random come together, whatever is killed or fails',
  { skip: failingDiskUnavailable },
  (t) => randomSync(t, 'procore', 2, SEED),
);
