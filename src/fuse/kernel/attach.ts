import { spawn } from 'node:child_process';
import { closeSync, constants as fsConstants, openSync, statSync } from 'node:fs';
import { errnoOf, Failure } from '../../base/errors.js';
import type { MountOptions } from '../driver.js';
import { addressOf, inPool, libc, systemError } from '../libc.js';
import { MOUNT_TYPE, SUBTYPE } from '../mountpoint.js';
import { findProgram } from '../probe.js';

/** mount(2) flags by option name (`sys/mount.h`). */
const MOUNT_FLAGS: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 16,
  dirsync: 128,
  nosymfollow: 256,
  noatime: 1024,
  nodiratime: 2048,
  relatime: 1 << 21,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
};
/** Options without a flag: explicit defaults, and options for mount(8), systemd or fstab only. */
const NO_FLAG =
  /^(rw|suid|dev|exec|async|atime|diratime|norelatime|defaults|auto|noauto|user|nouser|users|nofail|_netdev|x-.*|comment=.*)$/;
const MAX_READ = 1024 * 1024;

export const isRoot = (): boolean => process.geteuid?.() === 0;

/** Mounts, and returns the open device. As root by mount(2), otherwise through fusermount3(1). */
export async function attach(options: MountOptions): Promise<number> {
  return isRoot() ? attachAsRoot(options) : attachAsUser(options);
}

function openDevice(): number {
  try {
    return openSync('/dev/fuse', fsConstants.O_RDWR | fsConstants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV' || errnoOf(error) === 'ENXIO') {
      throw new Failure('fuse-device-missing', {}, error);
    }
    throw new Failure('fuse-device-denied', { mode: deviceMode() }, error);
  }
}

/** Permission bits in octal; 0000 if the device has just disappeared. */
const deviceMode = (): string =>
  ((statSync('/dev/fuse', { throwIfNoEntry: false })?.mode ?? 0) & 0o7777).toString(8).padStart(4, '0');

async function attachAsRoot(options: MountOptions): Promise<number> {
  const names = genericOptions(options);
  let flags = 0;
  for (const name of names) {
    const flag = MOUNT_FLAGS[name];
    if (flag === undefined && !NO_FLAG.test(name))
      throw new Failure('usage', { what: `unknown mount option "${name}"` });
    flags |= flag ?? 0;
  }
  const fd = openDevice();
  const data = [
    `fd=${fd}`,
    'rootmode=40000',
    `user_id=${options.uid}`,
    `group_id=${options.gid}`,
    'default_permissions',
    `max_read=${MAX_READ}`,
    ...(options.allowOther ? ['allow_other'] : []),
  ].join(',');
  try {
    await inPool('mount', options.source, options.mountpoint, MOUNT_TYPE, flags, data);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw mountFailure(options.mountpoint, error);
  }
}

function mountFailure(path: string, error: unknown): Failure {
  const code = errnoOf(error);
  if (code === 'ENOENT') return new Failure('mountpoint-missing', { path }, error);
  if (code === 'ENOTDIR') return new Failure('mountpoint-not-folder', { path }, error);
  if (code === 'ENODEV') return new Failure('fuse-device-missing', { why: 'the kernel has no FUSE' }, error);
  if (code === 'EPERM' || code === 'EACCES') {
    const why = 'mount(2) is not permitted; in a container, give it CAP_SYS_ADMIN';
    return new Failure('mount-failed', { path, why }, error);
  }
  return new Failure('mount-failed', { path }, error);
}

/** The generic options with the defaults of every FUSE mount: `nosuid` and `nodev`. */
function genericOptions(options: MountOptions): readonly string[] {
  const names = new Set(options.generic);
  if (!names.has('suid')) names.add('nosuid');
  if (!names.has('dev')) names.add('nodev');
  if (options.readOnly) names.add('ro');
  return [...names];
}

async function attachAsUser(options: MountOptions): Promise<number> {
  const program = await findProgram('fusermount3');
  if (!program) throw new Failure('fusermount-missing');
  const names = [
    ...genericOptions(options).filter((name) => name in MOUNT_FLAGS),
    `fsname=${escapeOption(options.source)}`,
    `subtype=${SUBTYPE}`,
    'default_permissions',
    `max_read=${MAX_READ}`,
    ...(options.allowOther ? ['allow_other'] : []),
  ];
  const ends = new Int32Array(2);
  // AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC
  if (libc.socketpair(1, 0o2000001, 0, ends) < 0) throw systemError('socketpair');
  const [ours, theirs] = [ends[0]!, ends[1]!];
  try {
    await run(program, ['-o', names.join(','), '--', options.mountpoint], theirs, options);
    const fd = receiveFd(ours);
    if (fd === undefined)
      throw new Failure('mount-failed', { path: options.mountpoint, why: 'fusermount3 sent no device' });
    return fd;
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/** Escapes `,` and `\` in an option for fusermount3 with a backslash. */
const escapeOption = (text: string): string => text.replace(/[\\,]/g, '\\$&');

function run(program: string, args: readonly string[], socket: number, options: MountOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe', socket],
      env: { ...process.env, _FUSE_COMMFD: '3', LC_ALL: 'C' },
    });
    let complaint = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      if (complaint.length < 2000) complaint += chunk.toString();
    });
    child.on('error', (error) => reject(new Failure('fusermount-missing', {}, error)));
    child.on('close', (status) => {
      if (status === 0) resolve();
      else reject(fusermountFailure(complaint.trim(), options));
    });
  });
}

/** Maps the error messages of fusermount3 (its `util/fusermount.c`) to failures. */
function fusermountFailure(complaint: string, options: MountOptions): Failure {
  const path = options.mountpoint;
  const why = complaint.replace(/^.*?fusermount3?: /, '');
  if (/failed to open \/dev\/fuse: (Permission denied|Operation not permitted)/.test(why)) {
    return new Failure('fuse-device-denied', { mode: deviceMode(), why });
  }
  if (/failed to open \/dev\/fuse|fuse device not found/.test(why)) return new Failure('fuse-device-missing', { why });
  if (/allow_other only allowed/.test(why)) return new Failure('allow-other-denied');
  if (/no write access to mountpoint|not owner|Permission denied/.test(why)) {
    return new Failure('mountpoint-denied', { path, why });
  }
  return new Failure('mount-failed', { path, why: why || 'fusermount3 failed' });
}

/**
 * Receives a descriptor sent with SCM_RIGHTS. Layouts of `struct msghdr`, `struct iovec` and `struct cmsghdr` on 64-bit
 * Linux: unix(7), recvmsg(2).
 */
function receiveFd(socket: number): number | undefined {
  const data = Buffer.alloc(8);
  const control = Buffer.alloc(64);
  const iovec = new BigUint64Array([addressOf(data), 1n]);
  const message = new BigUint64Array([
    0n,
    0n,
    addressOf(iovec as unknown as Uint8Array),
    1n,
    addressOf(control),
    64n,
    0n,
  ]);
  // MSG_DONTWAIT | MSG_CMSG_CLOEXEC: fusermount3 has exited, so its message has arrived.
  const received = Number(libc.recvmsg(socket, message, 0x40 | 0x40000000));
  const [SOL_SOCKET, SCM_RIGHTS] = [1, 1];
  if (received < 0 || control.readInt32LE(8) !== SOL_SOCKET || control.readInt32LE(12) !== SCM_RIGHTS) return undefined;
  return control.readInt32LE(16);
}
