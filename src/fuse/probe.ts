import { constants } from 'node:fs';
import { access, open, readFile, stat } from 'node:fs/promises';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import { errnoOf, Failure, isFailure } from '../base/errors.js';
import type { DriverName } from './driver.js';
import { loadFuseNative } from './native/binding.js';

const DEVICE = '/dev/fuse';
const CONFIGURATION = '/etc/fuse.conf';
/** The first kernel with FUSE_PASSTHROUGH, Linux 6.9; only root may register files for it (CAP_SYS_ADMIN). */
const PASSTHROUGH_KERNEL = [6, 9] as const;

/** Whether something is available, and if not, why. */
export type Availability = { readonly available: true } | { readonly available: false; readonly why: string };

/** The conditions for mounting on this machine, as this user. */
export interface FuseFacts {
  /** The release, as from `uname -r`. */
  readonly kernel: string;
  readonly root: boolean;
  readonly device: {
    readonly present: boolean;
    /** Permission bits in octal, e.g. `0666`; undefined if there is no device. */
    readonly mode: string | undefined;
    readonly usable: boolean;
  };
  /** The path of fusermount3(1), which mounts for ordinary users. */
  readonly fusermount: string | undefined;
  /** `user_allow_other` in /etc/fuse.conf: users may mount with allow_other. */
  readonly userAllowOther: boolean;
  readonly passthrough: Availability;
  readonly fuseNative: Availability;
  /** The driver that a mount would use by default, or why none is usable. */
  readonly driver: { readonly name: DriverName } | { readonly name: undefined; readonly why: string };
}

const isRoot = (): boolean => process.geteuid?.() === 0;

export async function probeFuse(): Promise<FuseFacts> {
  const [device, fusermount, userAllowOther, fuseNative] = await Promise.all([
    probeDevice(),
    findProgram('fusermount3'),
    allowsOther(),
    availability(loadFuseNative()),
  ]);
  const choice = await availability(requireDriver('kernel', { allowOther: false }));
  return {
    kernel: release(),
    root: isRoot(),
    device: { present: device.present, mode: device.mode, usable: device.error === undefined },
    fusermount,
    userAllowOther,
    passthrough: passthroughHere(),
    fuseNative,
    driver: choice.available ? { name: 'kernel' } : { name: undefined, why: choice.why },
  };
}

/**
 * Checks that a driver can mount here, before anything is mounted.
 *
 * @throws Failure fuse-device-missing, fuse-device-denied, fusermount-missing, libfuse-missing, allow-other-denied
 */
export async function requireDriver(name: DriverName, options: { readonly allowOther: boolean }): Promise<void> {
  const device = await probeDevice();
  if (device.error) throw device.error;
  if (name === 'fuse-native') await loadFuseNative();
  if (isRoot()) return;
  // libfuse 2 runs the program by its old name.
  const program = name === 'kernel' ? 'fusermount3' : 'fusermount';
  if (!(await findProgram(program))) throw new Failure('fusermount-missing', { why: `no ${program} in PATH` });
  if (options.allowOther && !(await allowsOther())) throw new Failure('allow-other-denied');
}

async function probeDevice(): Promise<{ present: boolean; mode: string | undefined; error: Failure | undefined }> {
  let mode: string | undefined;
  try {
    mode = `0${((await stat(DEVICE)).mode & 0o7777).toString(8)}`;
    // An open device that is never mounted has no effect; fusermount3 opens it with the rights of its user as well.
    const device = await open(DEVICE, constants.O_RDWR);
    await device.close();
    return { present: true, mode, error: undefined };
  } catch (error) {
    const denied = mode !== undefined && ['EACCES', 'EPERM'].includes(errnoOf(error) ?? '');
    const failure = denied
      ? new Failure('fuse-device-denied', { mode: mode ?? '?' }, error)
      : new Failure('fuse-device-missing', {}, error);
    return { present: mode !== undefined, mode, error: failure };
  }
}

function passthroughHere(): Availability {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const [needMajor, needMinor] = PASSTHROUGH_KERNEL;
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    return { available: false, why: `Linux ${needMajor}.${needMinor} is needed, this is ${release()}` };
  }
  return isRoot() ? { available: true } : { available: false, why: 'only root may use it (CAP_SYS_ADMIN)' };
}

async function allowsOther(): Promise<boolean> {
  const text = await readFile(CONFIGURATION, 'utf8').catch(() => '');
  return text.split('\n').some((line) => line.trim() === 'user_allow_other');
}

async function availability(work: Promise<unknown>): Promise<Availability> {
  try {
    await work;
    return { available: true };
  } catch (error) {
    return { available: false, why: isFailure(error) ? error.line : String(error) };
  }
}

/** The path of a program, searched in PATH and where distributions install the programs for mounting. */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/bin', '/usr/sbin', '/usr/local/bin'];
  for (const folder of folders.filter((path) => path.startsWith('/'))) {
    const path = join(folder, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
