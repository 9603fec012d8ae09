import t from 'tap';
import { randomSync } from '../helpers/cases-job-sync.js';
import { failingDiskUnavailable } from '../helpers/failing-disk.js';

const SEED = 20_261_124;

t.test(
  'two folders changed at random come together, whatever is killed or fails',
  { skip: failingDiskUnavailable },
  (t) => randomSync(t, 'folder', 100, SEED),
);

t.test(
  'a folder and a project changed at random come together, whatever is killed or fails',
  { skip: failingDiskUnavailable },
  (t) => randomSync(t, 'procore', 2, SEED),
);
