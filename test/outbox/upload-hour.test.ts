import t from 'tap';
import { uploadHour } from '../helpers/cases-upload-hour.js';

t.test('uploads use up what an hour permits and are never refused; people go on listing', (t) =>
  uploadHour(t, { hour: 12, hourly: 20, windows: 1, latency: 50 }),
);
