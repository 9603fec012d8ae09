import { isFailure } from '#src/base/errors.js';
import { ensurePackages, type PackageName } from '#src/cli/packages.js';

/** What tests and benchmarks use from Debian; as root on Debian it is installed, elsewhere each test says what it misses. */
const TARGETS: readonly PackageName[] = [
  'rclone',
  'samba',
  'smbclient',
  'openssh-server',
  'openssh-client',
  'exfat-fuse',
  'exfatprogs',
  'sshfs',
  'dma',
];
const PROGRAMS: readonly PackageName[] = ['vim', 'git', 'zip', 'sqlite3', 'python3', 'libglib2.0-bin'];
const DESKTOP: readonly PackageName[] = ['xvfb', 'dbus-daemon', 'xdotool', 'thunar', 'mousepad', 'gvfs', 'tumbler'];
const BROWSER: readonly PackageName[] = ['chromium'];
const TESTS: readonly PackageName[] = [
  'fuse3',
  'libfuse2',
  'attr',
  'rsync',
  'gcc',
  'libc6-dev',
  'strace',
  ...TARGETS,
  ...PROGRAMS,
  ...DESKTOP,
  ...BROWSER,
];
const BENCHMARKS: readonly PackageName[] = [...TESTS, 'curl'];

try {
  ensurePackages(process.argv[2] === 'bench' ? BENCHMARKS : TESTS, (line) => console.log(line));
} catch (error) {
  if (!isFailure(error)) throw error;
  console.log(`${error.line}; tests that need them are skipped`);
}
