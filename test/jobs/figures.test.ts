import t from 'tap';
import { copyCalls, estimates } from '../scenarios/jobs.js';

// Jobs of several hours' calls are in the soak: they wait for hours to end.
t.jobs = 2;

t.test('copies cost the crawl, then next to nothing, then what changed; expired URLs cost no more', (t) =>
  copyCalls(t, 200),
);

t.test('what a run costs is known before it begins', (t) => estimates(t, 40));
