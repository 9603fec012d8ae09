import t from 'tap';
import { jobHours } from '../scenarios/job-hours.js';

// 20,000 calls, by hand and by schedule, are in the soak.
t.test('runs of a schedule that the hourly limit cuts fill the hours', (t) => jobHours(t, 7300, 'schedule', 'fixed'));
