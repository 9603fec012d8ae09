import t from 'tap';
import { failingDiskScenario } from '../helpers/cases-failing.js';
import { failingDiskUnavailable } from '../helpers/failing-disk.js';

// `npm run soak` goes through every call.
const skip = failingDiskUnavailable;
t.test('a disk call of a save that fails once loses nothing', { skip }, (t) => failingDiskScenario(t, 'once', 3, 53));
t.test('a disk that fails for ever from some call of a save on loses nothing', { skip }, (t) =>
  failingDiskScenario(t, 'for ever', 5, 97),
);
