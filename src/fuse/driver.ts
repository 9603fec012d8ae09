import type { Log } from '../base/log.js';
import type { KernelCache } from './filesystem.js';
import type { FileSystem } from './operations.js';

export interface MountOptions {
  readonly mountpoint: string;
  /** `fsname`, the first column of `findmnt`. */
  readonly source: string;
  readonly allowOther: boolean;
  /** A file system without `writable` is mounted read-only in any case. */
  readonly readOnly: boolean;
  /** Owner of the mount as mount(2) sees it. */
  readonly uid: number;
  readonly gid: number;
  /** Options of mount(8), e.g. `noexec`, `noatime`. `nosuid` and `nodev` are set unless `suid`, `dev` are named. */
  readonly generic: readonly string[];
  /** Receives errors that are no `Failure`, and features that the driver had to do without. */
  readonly log: Log;
}

export interface Mounted {
  readonly driver: DriverName;
  readonly passthrough: boolean;
  readonly kernel: KernelCache;
  /** Resolves when the mount has ended, in whatever way; never rejects. */
  readonly ended: Promise<void>;
  /** Unmounts; `Failure('unmount-busy')` if something is open and `force` is not set. */
  unmount(force: boolean): Promise<void>;
}

export type DriverName = 'kernel' | 'fuse-native';

export interface Driver {
  readonly name: DriverName;
  /** Mounts; resolves when FUSE_INIT has been answered and operations are served. */
  mount(fileSystem: FileSystem, options: MountOptions): Promise<Mounted>;
}
