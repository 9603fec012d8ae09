import { execFile } from 'node:child_process';
import { chownSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import type { FuseFacts } from '#src/fuse/probe.js';
import { fuseFolder } from '../support/fuse-mount.js';

const run = promisify(execFile);
const script = join(dirname(fileURLToPath(import.meta.url)), '../support/fuse-daemon.js');
const NOBODY = 65534;
const skip = process.getuid?.() !== 0 && 'needs root: it makes device nodes in a mount namespace of its own';

interface World {
  /** Permission bits of /dev/fuse, or undefined where there shall be none. */
  readonly device: string | undefined;
  readonly fuseConf?: string;
  /** A command run as root in the namespace before the daemon starts. */
  readonly prepare?: string;
  readonly env?: Record<string, string>;
}

/** Runs the daemon script in a mount namespace with a /dev/fuse of its own, so that the machine stays as it is. */
async function inWorld(folder: string, world: World, args: readonly string[]): Promise<Record<string, unknown>[]> {
  const commands = [
    'set -e',
    `mkdir -p ${folder}/dev ${folder}/etc`,
    `mount -t tmpfs -o mode=755 tmpfs ${folder}/dev`,
    ...['null c 1 3', 'zero c 1 5', 'full c 1 7', 'random c 1 8', 'urandom c 1 9'].map(
      (node) => `mknod -m 666 ${folder}/dev/${node}`,
    ),
    ...(world.device ? [`mknod ${folder}/dev/fuse c 10 229`, `chmod ${world.device} ${folder}/dev/fuse`] : []),
    `ln -s /proc/self/fd ${folder}/dev/fd`,
    `mount --move ${folder}/dev /dev`,
    `printf '%s\\n' '${world.fuseConf ?? ''}' > ${folder}/etc/fuse.conf`,
    `if [ -e /etc/fuse.conf ]; then mount --bind ${folder}/etc/fuse.conf /etc/fuse.conf; fi`,
    world.prepare ?? ':',
    'exec "$@"',
  ];
  const { stdout } = await run(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', commands.join('\n'), 'sh', process.execPath, script, ...args],
    { env: { ...process.env, NODE_OPTIONS: '', ...world.env } },
  );
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** A folder that an ordinary user owns. */
function ownFolder(t: { teardown(run: () => unknown): unknown }): { base: string; mnt: string } {
  const base = fuseFolder(t);
  const mnt = join(base, 'mnt');
  mkdirSync(mnt);
  chownSync(mnt, NOBODY, NOBODY);
  return { base, mnt };
}

for (const driver of ['kernel', 'fuse-native']) {
  t.test(`${driver}: an ordinary user mounts, reads and unmounts`, { skip }, async (t) => {
    for (const UNMOUNT of ['own', 'other', 'fusermount3']) {
      const { base, mnt } = ownFolder(t);
      const events = await inWorld(base, { device: '0666', env: { UNMOUNT } }, ['try', driver, mnt, String(NOBODY)]);
      t.same(
        events,
        [
          { mounted: mnt, passthrough: false },
          { read: 'hello from a mount' },
          { table: ['fuse.procorefs', 'memory'] },
          { destroyed: 1 },
        ],
        `unmounted by ${UNMOUNT}`,
      );
    }
  });

  t.test(`${driver}: what is missing is said before anything is mounted`, { skip }, async (t) => {
    const { base, mnt } = ownFolder(t);
    const attempt = async (world: World, user = true): Promise<unknown> =>
      (await inWorld(base, world, ['try', driver, mnt, ...(user ? [String(NOBODY)] : [])]))[0];
    t.match(await attempt({ device: undefined }), { failure: 'fuse-device-missing' });
    t.match(await attempt({ device: undefined }, false), { failure: 'fuse-device-missing' }, 'as root');
    t.match(await attempt({ device: '0600' }), { failure: 'fuse-device-denied', line: /\(mode 0600\).*chmod 0666/ });
    t.match(await attempt({ device: '0666', env: { ALLOW_OTHER: '1' } }), { failure: 'allow-other-denied' });
    const program = driver === 'kernel' ? 'fusermount3' : 'fusermount';
    const hide = `for f in $(which -a ${program} | sort -u); do mount --bind /dev/null $f; done`;
    t.match(await attempt({ device: '0666', prepare: hide }), { failure: 'fusermount-missing', line: /fuse3/ });
    chownSync(mnt, 0, 0);
    t.match(await attempt({ device: '0666' }), { failure: 'mountpoint-denied' });
  });

  t.test(`${driver}: allow_other where /etc/fuse.conf permits it`, { skip }, async (t) => {
    const { base, mnt } = ownFolder(t);
    const world = { device: '0666', fuseConf: 'user_allow_other', env: { ALLOW_OTHER: '1' } };
    t.match((await inWorld(base, world, ['try', driver, mnt, String(NOBODY)]))[0], { mounted: mnt });
  });
}

t.test('without libfuse 2 the kernel driver works and the other one says what to install', { skip }, async (t) => {
  const { base, mnt } = ownFolder(t);
  const prepare =
    'for f in $(ls -d /usr/lib/*/libfuse.so.2* /lib/*/libfuse.so.2* 2>/dev/null); do mount --bind /dev/null $(readlink -f $f); done';
  t.match((await inWorld(base, { device: '0600', prepare }, ['try', 'fuse-native', mnt]))[0], {
    failure: 'libfuse-missing',
    line: /apt-get install libfuse2/,
  });
  t.match((await inWorld(base, { device: '0600', prepare }, ['try', 'kernel', mnt]))[0], { mounted: mnt });
  const [facts] = (await inWorld(base, { device: '0600', prepare }, ['probe'])) as unknown as [FuseFacts];
  t.match(facts.fuseNative, { available: false, why: /libfuse2/ });
});

t.test('the probe says what is there, for root and for a user', { skip }, async (t) => {
  const { base } = ownFolder(t);
  const probe = async (world: World, ...user: string[]): Promise<FuseFacts> =>
    (await inWorld(base, world, ['probe', 'kernel', '-', ...user]))[0] as unknown as FuseFacts;
  t.match(await probe({ device: '0600' }), {
    root: true,
    device: { present: true, mode: '0600', usable: true },
    fusermount: /fusermount3$/,
    userAllowOther: false,
    fuseNative: { available: true },
    driver: { name: 'kernel' },
  });
  t.match(await probe({ device: '0600', fuseConf: '# user_allow_other' }, String(NOBODY)), {
    root: false,
    device: { present: true, mode: '0600', usable: false },
    userAllowOther: false,
    passthrough: { available: false, why: /root/ },
    driver: { name: undefined, why: /chmod 0666/ },
  });
  t.match(await probe({ device: '0666', fuseConf: 'user_allow_other' }, String(NOBODY)), {
    device: { usable: true },
    userAllowOther: true,
    driver: { name: 'kernel' },
  });
  t.match(await probe({ device: undefined }), {
    device: { present: false, usable: false },
    driver: { name: undefined, why: /modprobe/ },
  });
  rmSync(join(base, 'etc'), { recursive: true, force: true });
});
