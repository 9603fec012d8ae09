import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import type { DriverName } from '#src/fuse/driver.js';
import { drivers } from '#src/fuse/drivers.js';
import { checkMountpoint, unmount } from '#src/fuse/mountpoint.js';
import { probeFuse, requireDriver } from '#src/fuse/probe.js';
import { MemoryFileSystem } from './fuse-memory.js';

/**
 * A process that mounts, to be killed or to run as another user:
 * `node fuse-daemon.js ACTION DRIVER MOUNTPOINT [UID]`. Prints one line of JSON per event.
 *
 * hold: mounts and stays. try: mounts, reads, unmounts. probe: prints the facts.
 */
const [action, driver, mountpoint, uid] = process.argv.slice(2) as [string, DriverName, string, string?];
const say = (event: unknown): boolean => process.stdout.write(`${JSON.stringify(event)}\n`);
const run = promisify(execFile);

// The modules are loaded by now, which an ordinary user perhaps could not read.
if (uid !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(Number(uid));
  process.setuid?.(Number(uid));
}

try {
  if (action === 'probe') {
    say(await probeFuse());
  } else {
    const allowOther = process.env.ALLOW_OTHER === '1';
    await requireDriver(driver, { allowOther });
    const path = await checkMountpoint(mountpoint, process.geteuid?.() ?? 0);
    const fs = new MemoryFileSystem();
    fs.owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    fs.file(fs.root, 'hello', 'hello from a mount');
    const mounted = await drivers[driver].mount(fs, {
      mountpoint: path,
      source: 'memory',
      allowOther,
      readOnly: true,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      generic: [],
      log: silentLog,
    });
    say({ mounted: path, passthrough: mounted.passthrough });
    if (action === 'try') {
      say({ read: (await run('cat', [`${path}/hello`])).stdout });
      say({ table: (await run('findmnt', ['-n', '-o', 'FSTYPE,SOURCE', path])).stdout.trim().split(/\s+/) });
      if (process.env.UNMOUNT === 'fusermount3') await run('fusermount3', ['-u', path]);
      else if (process.env.UNMOUNT === 'other') await unmount(path, { force: false });
      else await mounted.unmount(false);
      await mounted.ended;
      say({ destroyed: fs.destroyed });
    } else {
      await mounted.ended;
    }
  }
} catch (error) {
  say(error instanceof Failure ? { failure: error.code, line: error.line } : { error: String(error) });
}
