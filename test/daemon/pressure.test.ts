import t from 'tap';
import { pressure } from '../scenarios/pressure.js';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root: it mounts a small tmpfs';

t.test(
  'too few descriptors, too little memory and no room: nothing is lost, and all goes on',
  { skip: needsRoot },
  (t) => pressure(t, 9, 1),
);
