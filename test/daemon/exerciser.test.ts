import t from 'tap';
import { exercise } from '../scenarios/exerciser.js';

for (const [driver, operations] of [
  ['kernel', 3000],
  ['fuse-native', 800],
] as const)
  t.test(`${driver}: files answer like their shadow copies`, (t) => exercise(t, driver, operations, 2, 20_261_124));
