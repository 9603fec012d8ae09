import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '#src/base/log.js';
import type { Driver, Mounted, MountOptions } from '#src/fuse/driver.js';
import { mountTable } from '#src/fuse/mountpoint.js';
import type { FileSystem } from '#src/fuse/operations.js';

/** What a tap test offers to clean up behind itself. */
export interface Teardown {
  teardown(run: () => unknown): unknown;
}

/** A temporary folder that goes away with the test, together with whatever is still mounted in it. */
export function fuseFolder(t: Teardown): string {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'procorefs-fuse-')));
  // For the tests in which another user goes there.
  chmodSync(base, 0o755);
  t.teardown(async () => {
    for (const { mountpoint } of await mountTable()) {
      if (mountpoint.startsWith(`${base}/`)) execFileSync('umount', ['-l', mountpoint]);
    }
    rmSync(base, { recursive: true, force: true });
  });
  return base;
}

/** Mounts on a new folder; the test unmounts it when it ends. */
export async function mountFor(
  t: Teardown,
  driver: Driver,
  fileSystem: FileSystem,
  options: Partial<MountOptions> = {},
): Promise<{ mounted: Mounted; mnt: string }> {
  const mnt = options.mountpoint ?? join(fuseFolder(t), 'mnt');
  if (options.mountpoint === undefined) mkdirSync(mnt);
  const mounted = await driver.mount(fileSystem, {
    source: 'memory',
    allowOther: false,
    readOnly: true,
    uid: 0,
    gid: 0,
    generic: [],
    log: silentLog,
    ...options,
    mountpoint: mnt,
  });
  t.teardown(() => mounted.unmount(true));
  return { mounted, mnt };
}
