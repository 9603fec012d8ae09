import { Failure } from '../../base/errors.js';
import type { Driver, Mounted, MountOptions } from '../driver.js';
import type { KernelCache } from '../filesystem.js';
import { MountWatch } from '../mount-watch.js';
import { mountedAt, SUBTYPE, unmount } from '../mountpoint.js';
import type { FileSystem } from '../operations.js';
import { type FuseInstance, loadFuseNative } from './binding.js';
import { NativeSession, readOperations, replaceInternals } from './operations.js';
import { repairTimes, writeOperations } from './writing.js';

/** Seconds for which the kernel caches names and attributes: short, as it cannot be notified of changes. */
const TIMEOUT_S = 1;

/**
 * Instances that have been mounted. An instance owns the memory of the package's threads and of handles of the event
 * loop, which outlive the mount. So it must never be garbage-collected.
 */
const kept = new Set<FuseInstance>();

const kernelCache: KernelCache = {
  canInvalidate: false,
  invalidateNode: () => Promise.resolve(true),
  invalidateEntry: () => Promise.resolve(),
};

/** The compatibility driver: the npm package `fuse-native` over libfuse 2. Its limits are in native-notes/driver.md. */
export const fuseNativeDriver: Driver = {
  name: 'fuse-native',

  async mount(fileSystem: FileSystem, options: MountOptions): Promise<Mounted> {
    const Fuse = await loadFuseNative();
    const session = new NativeSession(fileSystem, options, options.log);
    const writable = options.readOnly ? undefined : fileSystem.writable;
    const operations = { ...readOperations(session), ...(writable && writeOperations(session, writable)) };
    const fuse = new Fuse(options.mountpoint, operations, { timeout: false });
    replaceInternals(fuse, session);
    repairTimes(fuse);
    fuse._fuseOptions = () => `-o${libfuseOptions({ ...options, readOnly: !writable }).join(',')}`;
    kept.add(fuse);
    await new Promise<void>((resolve, reject) => {
      fuse.open((error) => {
        if (error)
          reject(new Failure('mount-failed', { path: options.mountpoint, why: 'see what libfuse said' }, error));
        else resolve();
      });
    });
    const entry = await mountedAt(options.mountpoint);
    if (!entry) throw new Failure('mount-failed', { path: options.mountpoint, why: 'it was unmounted at once' });

    fileSystem.mounted(kernelCache);
    const ended = new MountWatch(entry.id).gone.then(async () => {
      session.end();
      // The mount has ended; `close` only lets the event loop end. The package's own `unmount`, a lazy unmount of the
      // path, is replaced.
      Fuse.unmount = (_, done) => done(null);
      await new Promise<void>((resolve) => fuse.close(() => resolve()));
      try {
        fileSystem.destroy();
      } catch (error) {
        options.log.error({ err: error }, 'the file system did not end cleanly');
      }
    });

    return {
      driver: 'fuse-native',
      passthrough: false,
      kernel: kernelCache,
      ended,
      async unmount(force) {
        if (!session.ended) {
          await unmount(options.mountpoint, { force }).catch((error) => {
            if (!session.ended) throw error;
          });
        }
        await ended;
      },
    };
  },
};

/**
 * Options for libfuse 2. `direct_io`: its nodes are paths, so two versions of a file would share one page cache;
 * uncached, they cannot mix. `use_ino`: file numbers come from the file system, not from libfuse.
 */
function libfuseOptions(options: MountOptions): readonly string[] {
  const escaped = options.source.replace(/[\\,]/g, '\\$&');
  return [
    `fsname=${escaped}`,
    `subtype=${SUBTYPE}`,
    ...(options.readOnly ? ['ro'] : []),
    ...(options.allowOther ? ['allow_other'] : []),
    'default_permissions',
    'direct_io',
    'use_ino',
    'big_writes',
    `entry_timeout=${TIMEOUT_S}`,
    `attr_timeout=${TIMEOUT_S}`,
    'negative_timeout=0',
    ...options.generic,
  ];
}
