import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Failure } from '../base/errors.js';

/** Debian packages that parts of this project use, with files whose presence shows that the package is installed. */
const PACKAGE_FILES: Readonly<Record<string, readonly string[]>> = {
  fuse3: ['/usr/bin/fusermount3', '/bin/fusermount3'],
  libfuse2: [
    '/lib/x86_64-linux-gnu/libfuse.so.2',
    '/usr/lib/x86_64-linux-gnu/libfuse.so.2',
    '/lib/aarch64-linux-gnu/libfuse.so.2',
    '/usr/lib/aarch64-linux-gnu/libfuse.so.2',
  ],
  attr: ['/usr/bin/getfattr'],
  rsync: ['/usr/bin/rsync'],
  curl: ['/usr/bin/curl'],
  rclone: ['/usr/bin/rclone'],
  samba: ['/usr/sbin/smbd'],
  smbclient: ['/usr/bin/smbclient'],
  'openssh-server': ['/usr/sbin/sshd'],
  'openssh-client': ['/usr/bin/ssh-keygen'],
  'exfat-fuse': ['/usr/sbin/mount.exfat-fuse'],
  exfatprogs: ['/usr/sbin/mkfs.exfat'],
  sshfs: ['/usr/bin/sshfs'],
  dma: ['/usr/sbin/sendmail'],
  gcc: ['/usr/bin/gcc'],
  'libc6-dev': ['/usr/include/stdlib.h'],
  strace: ['/usr/bin/strace'],
  vim: ['/usr/bin/vim'],
  git: ['/usr/bin/git'],
  zip: ['/usr/bin/zip'],
  sqlite3: ['/usr/bin/sqlite3'],
  python3: ['/usr/bin/python3'],
  'libglib2.0-bin': ['/usr/bin/gio'],
  xvfb: ['/usr/bin/Xvfb'],
  'dbus-daemon': ['/usr/bin/dbus-daemon'],
  xdotool: ['/usr/bin/xdotool'],
  thunar: ['/usr/bin/thunar'],
  mousepad: ['/usr/bin/mousepad'],
  gvfs: ['/usr/libexec/gvfsd-trash'],
  tumbler: ['/usr/lib/x86_64-linux-gnu/tumbler-1/tumblerd', '/usr/lib/aarch64-linux-gnu/tumbler-1/tumblerd'],
  'libreoffice-writer': ['/usr/bin/lowriter'],
  chromium: ['/usr/bin/chromium'],
};

export type PackageName =
  | 'fuse3'
  | 'libfuse2'
  | 'attr'
  | 'rsync'
  | 'curl'
  | 'rclone'
  | 'gcc'
  | 'libc6-dev'
  | 'strace'
  | ProgramPackage
  | DesktopPackage
  | TargetPackage;

/** Programs with which tests save files. */
export type ProgramPackage = 'vim' | 'git' | 'zip' | 'sqlite3' | 'python3' | 'libglib2.0-bin';

/** A desktop without a screen, a file manager and an editor, for tests. */
export type DesktopPackage =
  | 'xvfb'
  | 'dbus-daemon'
  | 'xdotool'
  | 'thunar'
  | 'mousepad'
  | 'gvfs'
  | 'tumbler'
  | 'chromium'
  | 'libreoffice-writer';

/** Packages for targets and their tests. */
export type TargetPackage =
  | 'samba'
  | 'smbclient'
  | 'openssh-server'
  | 'openssh-client'
  | 'exfat-fuse'
  | 'exfatprogs'
  | 'sshfs'
  | 'dma';

const isMissing = (name: PackageName): boolean => !PACKAGE_FILES[name]?.some((file) => existsSync(file));

/**
 * Installs missing Debian packages when run as root on a machine with apt-get.
 * @throws Failure `packages-missing` otherwise, with their names and the command to install them
 */
export function ensurePackages(names: readonly PackageName[], say: (line: string) => void): void {
  const missing = names.filter(isMissing);
  if (missing.length === 0) return;
  const packages = missing.join(' ');
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) throw new Failure('packages-missing', { packages });
  say(`installing Debian packages: ${packages}`);
  const apt = (...words: string[]): boolean =>
    spawnSync('apt-get', ['-q', ...words], {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  const installing = ['install', '-y', '--no-install-recommends', ...missing];
  // The package lists may be missing or outdated on a new machine.
  if (!apt(...installing) && !(apt('update') && apt(...installing)))
    throw new Failure('packages-missing', { packages, why: 'apt-get could not install them' });
}
