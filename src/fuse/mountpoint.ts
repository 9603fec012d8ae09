import { execFile } from 'node:child_process';
import { access, constants, readdir, readFile, realpath, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { systemClock } from '../base/clock.js';
import { errnoOf, Failure, isFailure } from '../base/errors.js';
import { inPool } from './libc.js';

/** The type that findmnt(8) shows; it identifies procorefs mounts. */
export const SUBTYPE = 'procorefs';
export const MOUNT_TYPE = `fuse.${SUBTYPE}`;

/** The fusectl file system, with a folder for each FUSE connection: Documentation/filesystems/fuse. */
export const CONNECTIONS = '/sys/fs/fuse/connections';

/** A system call that takes longer counts as hanging in a mount whose daemon does not answer. */
const ANSWER_LIMIT_MS = 2_000;
const BUSY_ATTEMPTS = 4;
const BUSY_PAUSE_MS = 150;
/** From `sys/mount.h`. */
const MNT_FORCE = 1;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

export interface MountEntry {
  /** Distinguishes this mount from earlier and later ones at the same path. */
  readonly id: number;
  readonly mountpoint: string;
  /** As findmnt(8) shows it, e.g. `ext4`, `fuse.procorefs`. */
  readonly type: string;
  readonly source: string;
  /** `major:minor`, as in /sys/class/bdi. */
  readonly device: string;
  /** Options of the mount and of the file system. */
  readonly options: readonly string[];
}

/** Escapes a path as in a field of mountinfo: proc_pid_mountinfo(5). */
export const escapeOctal = (path: string): string =>
  path.replace(/[ \t\n\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** Resolves octal escapes (`\040`) in a field of mountinfo: proc_pid_mountinfo(5). The bytes are UTF-8. */
function unescapeOctal(field: string): string {
  if (!field.includes('\\')) return field;
  const bytes = Buffer.from(field).toString('latin1');
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return Buffer.from(plain, 'latin1').toString('utf8');
}

/** Parses /proc/PID/mountinfo: `ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [FIELD…] - TYPE SOURCE SUPEROPTIONS`. */
export function parseMountTable(text: string): readonly MountEntry[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const [device, mountpoint, options] = [fields[2], fields[4], fields[5]];
    const [type, source, superOptions] = [fields[dash + 1], fields[dash + 2], fields[dash + 3]];
    if (dash < 0 || !device || !mountpoint || !type) return [];
    return {
      id: Number(fields[0]),
      device,
      mountpoint: unescapeOctal(mountpoint),
      type,
      source: unescapeOctal(source ?? ''),
      options: [...(options ?? '').split(','), ...(superOptions ?? '').split(',')].filter((name) => name !== ''),
    };
  });
}

/** All mounts that this process sees, in the order in which they were made. */
export async function mountTable(): Promise<readonly MountEntry[]> {
  return parseMountTable(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The connection number of a FUSE mount, which is the name of its folder in fusectl. */
export const connectionOf = ({ device }: MountEntry): string => device.split(':')[1]!;

/** The topmost mount at exactly this path. */
export async function mountedAt(path: string): Promise<MountEntry | undefined> {
  return (await mountTable()).findLast((entry) => entry.mountpoint === path);
}

/** `path` without symbolic links. If it is a mount point, it is not accessed itself: the mount may be dead. */
async function canonical(path: string): Promise<string> {
  const absolute = resolve(path);
  if (absolute === '/') return '/';
  const entry = await mountedAt(absolute);
  if (entry) return absolute;
  const parent = await withLimit(realpath(dirname(absolute))).catch(() => dirname(absolute));
  const direct = parent === '/' ? `/${basename(absolute)}` : `${parent}/${basename(absolute)}`;
  if (await mountedAt(direct)) return direct;
  return withLimit(realpath(direct)).catch(() => direct);
}

/** Limits the wait for a call that may hang in a dead mount; after the time-out it still occupies its pool thread. */
async function withLimit<T>(work: Promise<T>): Promise<T> {
  let cancel!: () => void;
  const limit = new Promise<never>((_, reject) => {
    cancel = systemClock.after(ANSWER_LIMIT_MS, () =>
      reject(Object.assign(new Error('no answer from the file system'), { code: 'ETIMEDOUT' })),
    );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    cancel();
    work.catch(() => {});
  }
}

/**
 * Checks that `path` can be mounted upon: an empty folder, not yet a mount point, and usable by `uid` (root may use
 * any; fusermount3 requires write permission, and ownership of a sticky folder). Dead mounts must have been cleared.
 *
 * @returns the path without symbolic links, as mount(2) gets it
 * @throws Failure mountpoint-missing, -not-folder, -busy, -denied, -not-empty
 */
export async function checkMountpoint(path: string, uid: number): Promise<string> {
  const real = await canonical(path);
  const mounted = await mountedAt(real);
  if (mounted) throw new Failure('mountpoint-busy', { path: real, source: mounted.source || mounted.type });
  try {
    const found = await withLimit(stat(real));
    if (!found.isDirectory()) throw new Failure('mountpoint-not-folder', { path: real });
    if (uid !== 0) {
      if (found.mode & 0o1000 && found.uid !== uid) throw new Failure('mountpoint-denied', { path: real });
      await withLimit(access(real, constants.W_OK | constants.X_OK));
    }
    if ((await withLimit(readdir(real))).length > 0) throw new Failure('mountpoint-not-empty', { path: real });
    return real;
  } catch (error) {
    if (error instanceof Failure) throw error;
    const code = errnoOf(error);
    if (code === 'ENOENT') throw new Failure('mountpoint-missing', { path: real }, error);
    if (code === 'ENOTDIR') throw new Failure('mountpoint-not-folder', { path: real }, error);
    throw new Failure('mountpoint-denied', { path: real }, error);
  }
}

/**
 * Unmounts what a killed daemon left behind at `path`: a procorefs mount that answers "Transport endpoint is not
 * connected". Anything else, above all a live mount, is left alone.
 *
 * @returns whether there was one
 */
export async function clearDeadMount(path: string): Promise<boolean> {
  const real = await canonical(path);
  let cleared = false;
  // Mounts of several killed daemons may be stacked on the same mount point.
  for (let depth = 0; depth < 32; depth++) {
    const mounted = await mountedAt(real);
    if (mounted?.type !== MOUNT_TYPE) break;
    // Not stat(2), which the kernel may answer from its cache.
    const code = await withLimit(statfs(real)).then(() => undefined, errnoOf);
    if (code !== 'ENOTCONN') break;
    await detach(real, true);
    cleared = true;
  }
  return cleared;
}

/**
 * Aborts the connection of a procorefs mount whose daemon was killed while the connection stays open: a thread of the
 * daemon hangs in the kernel, writing a notification about a folder that is locked by a program waiting for an answer.
 * All pending requests fail with ENOTCONN. A mount that answers, even with an error, is left alone.
 *
 * @returns whether it was ended
 */
export async function abortOrphan(path: string): Promise<boolean> {
  const real = await canonical(path);
  const mounted = await mountedAt(real);
  if (mounted?.type !== MOUNT_TYPE) return false;
  if ((await withLimit(statfs(real)).then(() => undefined, errnoOf)) !== 'ETIMEDOUT') return false;
  // An ordinary user can do this only through the connection's `abort` file, if fusectl is mounted.
  await writeFile(`${CONNECTIONS}/${connectionOf(mounted)}/abort`, '1').catch(() => detach(real, true));
  return true;
}

export interface UnmountOptions {
  /** Unmount even if files are open: the mount disappears at once, and open files return errors. */
  readonly force: boolean;
}

/**
 * Unmounts a FUSE mount, whichever process serves it: as root by umount2(2), otherwise through fusermount3(1).
 *
 * @throws Failure not-mounted, unmount-busy, fusermount-missing
 */
export async function unmount(path: string, options: UnmountOptions): Promise<void> {
  const real = await canonical(path);
  const mounted = await mountedAt(real);
  if (!mounted?.type.startsWith('fuse')) throw new Failure('not-mounted', { path: real });
  // A short use (a desktop's indexer, a close(2) under way) is over in a moment.
  for (let attempt = 1; ; attempt++) {
    try {
      return await detach(real, options.force);
    } catch (error) {
      if (!isFailure(error, 'unmount-busy') || attempt === BUSY_ATTEMPTS) throw error;
      await systemClock.sleep(BUSY_PAUSE_MS);
    }
  }
}

/** One attempt to unmount a path without symbolic links. @throws Failure as `unmount` */
export async function detach(path: string, force: boolean): Promise<void> {
  if (process.geteuid?.() !== 0) return detachAsUser(path, force);
  try {
    // The owner of a folder above could have replaced the mount point by a symbolic link meanwhile.
    await inPool('umount2', path, UMOUNT_NOFOLLOW | (force ? MNT_FORCE | MNT_DETACH : 0));
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') throw new Failure('unmount-busy', { path }, error);
    if (errnoOf(error) === 'EINVAL') throw new Failure('not-mounted', { path }, error);
    throw new Failure('unmount-busy', { path }, error);
  }
}

function detachAsUser(path: string, force: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(
      'fusermount3',
      [force ? '-uz' : '-u', '--', path],
      { env: { ...process.env, LC_ALL: 'C' } },
      (error, _, text) => {
        if (!error) resolve();
        else if (errnoOf(error) === 'ENOENT') reject(new Failure('fusermount-missing'));
        else if (/busy/.test(text)) reject(new Failure('unmount-busy', { path }));
        else if (/not found in|not mounted/.test(text)) reject(new Failure('not-mounted', { path }));
        else reject(new Failure('unmount-busy', { path, why: text.trim() }));
      },
    );
  });
}
