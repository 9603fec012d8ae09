import { execFile } from 'node:child_process';
import { access, constants, readdir, readFile, realpath, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, Failure, isFailure } from '../base/errors.js';
import { inPool } from './libc.js';

/** The type that findmnt(8) shows, and by which a mount of ours is known. */
export const SUBTYPE = 'procorefs';
export const MOUNT_TYPE = `fuse.${SUBTYPE}`;

/** Where fusectl has a folder of each connection of the kernel: Documentation/filesystems/fuse. */
export const CONNECTIONS = '/sys/fs/fuse/connections';

/** A call that takes longer hangs in a mount whose daemon does not answer. */
const ANSWER_LIMIT_MS = 2_000;
const BUSY_ATTEMPTS = 4;
const BUSY_PAUSE_MS = 150;
/** From `sys/mount.h`. */
const MNT_FORCE = 1;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

export interface MountEntry {
  /** Tells this mount from earlier and later ones at the same place. */
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

/** A path as a field of mountinfo has it: proc_pid_mountinfo(5). */
export const escapeOctal = (path: string): string =>
  path.replace(/[ \t\n\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** Octal escapes (`\040`) in a field of mountinfo: proc_pid_mountinfo(5). The bytes are UTF-8. */
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

/** The number by which fusectl knows a FUSE mount. */
export const connectionOf = ({ device }: MountEntry): string => device.split(':')[1]!;

/** The mount on top at exactly this path. */
export async function mountedAt(path: string): Promise<MountEntry | undefined> {
  return (await mountTable()).findLast((entry) => entry.mountpoint === path);
}

/** `path` without symbolic links in what leads to it. Its last part is not touched, which may be a dead mount. */
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

/** Bounds a call that a hung mount would hold for ever; it stays in its thread of the pool then. */
async function withLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(Object.assign(new Error('no answer from the file system'), { code: 'ETIMEDOUT' })),
      ANSWER_LIMIT_MS,
    );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}

/**
 * Checks that `path` can be mounted upon: a folder, empty, not a mount point already, and usable by `uid` (root may use
 * any; fusermount3 asks for write permission, and in a sticky folder for the owner). Dead mounts must have been cleared.
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
 * Unmounts what a killed daemon left behind at `path`: a mount of ours that answers "Transport endpoint is not
 * connected". Anything else, above all a live mount, is left alone.
 *
 * @returns whether there was one
 */
export async function clearDeadMount(path: string): Promise<boolean> {
  const real = await canonical(path);
  let cleared = false;
  // Several daemons may have been killed on the same mount point, one on top of the other.
  for (let depth = 0; depth < 32; depth++) {
    const mounted = await mountedAt(real);
    if (mounted?.type !== MOUNT_TYPE) break;
    // Not stat(2), which the kernel may answer from what it remembers.
    const code = await withLimit(statfs(real)).then(() => undefined, errnoOf);
    if (code !== 'ENOTCONN') break;
    await detach(real, true);
    cleared = true;
  }
  return cleared;
}

/**
 * Ends a mount of ours whose daemon is gone and whose connection lives on: the kernel keeps a thread of the daemon that
 * was telling it of a change while a program waited in the same folder for an answer. Everything that waits there gets
 * ENOTCONN. One that answers, if only with an error, is left alone.
 *
 * @returns whether it was ended
 */
export async function abortOrphan(path: string): Promise<boolean> {
  const real = await canonical(path);
  const mounted = await mountedAt(real);
  if (mounted?.type !== MOUNT_TYPE) return false;
  if ((await withLimit(statfs(real)).then(() => undefined, errnoOf)) !== 'ETIMEDOUT') return false;
  // As an ordinary user only the owner's file of the connection does it, where that is mounted.
  await writeFile(`${CONNECTIONS}/${connectionOf(mounted)}/abort`, '1').catch(() => detach(real, true));
  return true;
}

export interface UnmountOptions {
  /** Also when something is open there: the mount vanishes at once, what is open gets errors. */
  readonly force: boolean;
}

/**
 * Unmounts a mount of ours, whichever process runs it: as root by umount2(2), otherwise through fusermount3(1).
 *
 * @throws Failure not-mounted, unmount-busy, fusermount-missing
 */
export async function unmount(path: string, options: UnmountOptions): Promise<void> {
  const real = await canonical(path);
  const mounted = await mountedAt(real);
  if (!mounted?.type.startsWith('fuse')) throw new Failure('not-mounted', { path: real });
  // A program that only looked (a desktop's indexer, a last close that is under way) is gone in a moment.
  for (let attempt = 1; ; attempt++) {
    try {
      return await detach(real, options.force);
    } catch (error) {
      if (!isFailure(error, 'unmount-busy') || attempt === BUSY_ATTEMPTS) throw error;
      await delay(BUSY_PAUSE_MS);
    }
  }
}

/** The one attempt of `unmount` at a path without links. @throws Failure as `unmount` */
export async function detach(path: string, force: boolean): Promise<void> {
  if (process.geteuid?.() !== 0) return detachAsUser(path, force);
  try {
    // Whoever owns a folder above could have put a link in its place meanwhile.
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
