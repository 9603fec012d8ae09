import t from 'tap';
import { copyCalls, estimates, severalHours } from '../helpers/cases-jobs.js';

// What takes most of the time is waiting for servers and hours.
t.jobs = 3;

t.test('copies cost the crawl, then next to nothing, then what changed; expired URLs cost no more', (t) =>
  copyCalls(t, 600),
);

t.test('what a run costs is known before it begins', (t) => estimates(t, 60));

for (const how of ['manual', 'schedule'] as const)
  t.test(`a job of several hours' calls, ${how}: spans the hours by itself, and nobody waits for it`, (t) =>
    severalHours(t, 920, { hour: 10, hourly: 400, used: 0.75 }, how),
  );
