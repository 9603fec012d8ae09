import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { inPool } from '#src/fuse/libc.js';
import { MountWatch } from '#src/fuse/mount-watch.js';
import { mountedAt } from '#src/fuse/mountpoint.js';
import { takeDescriptors } from '../support/descriptors.js';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root: it mounts a tmpfs';

t.test('the end of a mount is seen also when nothing more can be opened', { skip: needsRoot }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-watch-'));
  await inPool('mount', 'tmpfs', folder, 'tmpfs', 0, '');
  t.teardown(() => rmSync(folder, { recursive: true }));
  const watch = new MountWatch((await mountedAt(folder))!.id);
  const give = takeDescriptors();
  try {
    await inPool('umount2', folder, 0);
    await t.resolves(watch.gone);
  } finally {
    give();
  }
});
