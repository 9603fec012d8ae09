import t from 'tap';
import { renamedFolder } from '../scenarios/renamed.js';

for (const driver of ['kernel', 'fuse-native'] as const)
  t.test(`a folder of 1,000 files is renamed while files in it are read and written: ${driver}`, (t) =>
    renamedFolder(t, driver, 1000),
  );
