import t from 'tap';
import { HOSTILE, hostileMount } from '../scenarios/hostile-mount.js';

for (const driver of ['kernel', 'fuse-native'] as const)
  t.test(`${driver}: every name is listed once, opened, written, copied out and renamed, by that one name`, (t) =>
    hostileMount(t, driver, HOSTILE),
  );
