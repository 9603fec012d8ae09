import t from 'tap';
import { goldenFolders, PAIRWISE } from '../scenarios/golden.js';

for (const combination of PAIRWISE) {
  const { type, conflicts, deletions } = combination;
  t.test(`${type}, conflicts: ${conflicts}, deletions: ${deletions}`, (t) => goldenFolders(t, combination));
}
