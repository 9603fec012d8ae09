import t from 'tap';
import { failingDiskScenario, failingRequestScenario, REQUEST_FAULTS } from '../scenarios/failing.js';
import { failingDiskUnavailable } from '../support/failing-disk.js';

// `npm run soak` goes through every call.
const skip = failingDiskUnavailable;
t.test('a disk call of a save that fails once loses nothing', { skip }, (t) => failingDiskScenario(t, 'once', 3, 251));
t.test('a disk that fails for ever from some call of a save on loses nothing', { skip }, (t) =>
  failingDiskScenario(t, 'for ever', 5, 401),
);

for (const fault of [REQUEST_FAULTS[2], REQUEST_FAULTS[5]])
  t.test(`a request of a save that meets ${fault.join(' at ')} loses and repeats nothing`, (t) =>
    failingRequestScenario(t, fault, 'once', 3, 11),
  );
