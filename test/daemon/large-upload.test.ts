import t from 'tap';
import { largeUpload } from '../scenarios/large-upload.js';

t.test('a large file goes up in segments, goes on after a kill, in bounded memory', (t) =>
  largeUpload(t, 200 * 2 ** 20, 250),
);
