import { closeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Driver, Mounted, MountOptions } from '../driver.js';
import { clearDeadMount, detach, mountedAt, unmount } from '../mountpoint.js';
import type { FileSystem } from '../operations.js';
import { attach, isRoot } from './attach.js';
import { ConnectionGuard } from './guard.js';
import { handlerOf } from './handlers.js';
import { FuseSession } from './session.js';

/** Read-ahead of the kernel for sequential reads; its default is 128 KiB. */
const READ_AHEAD_KIB = 4096;

/** The driver that implements the kernel's FUSE protocol: needs no library, supports invalidation and passthrough. */
export const kernelDriver: Driver = {
  name: 'kernel',

  async mount(fileSystem: FileSystem, options: MountOptions): Promise<Mounted> {
    const readOnly = options.readOnly || !fileSystem.writable;
    const fd = await attach({ ...options, readOnly });
    let session: FuseSession;
    try {
      session = new FuseSession(fd, fileSystem, {
        readOnly,
        wantPassthrough: isRoot(),
        handler: handlerOf,
        log: options.log,
      });
    } catch (error) {
      // No session reads requests, so the device must be closed first.
      closeSync(fd);
      throw await undone(options.mountpoint, error);
    }
    session.channel.start();
    let init: Awaited<FuseSession['ready']>;
    let guard: ConnectionGuard | undefined;
    try {
      init = await session.ready;
      const mount = await mountedAt(options.mountpoint);
      guard = mount && new ConnectionGuard(mount, options.log);
      if (mount && isRoot()) await raiseReadAhead(mount.device, options.log);
      fileSystem.mounted(session.notifier);
    } catch (error) {
      const failure = await undone(options.mountpoint, error);
      session.channel.close();
      await session.channel.ended;
      await guard?.close();
      throw failure;
    }
    const ended = session.channel.ended.then(async () => {
      await guard?.close();
      // An aborted connection (umount -f, fusectl) leaves a dead mount behind.
      await clearDeadMount(options.mountpoint).catch((error) => options.log.warn({ err: error }, 'a dead mount stays'));
      try {
        fileSystem.destroy();
      } catch (error) {
        options.log.error({ err: error }, 'the file system did not end cleanly');
      }
    });

    return {
      driver: 'kernel',
      passthrough: init.passthrough,
      kernel: session.notifier,
      ended,
      async unmount(force) {
        if (session.channel.open) {
          await unmount(options.mountpoint, { force }).catch((error) => {
            if (session.channel.open) throw error;
          });
          // Open files keep a detached mount alive, although it is no longer reachable: end it.
          if (force) session.channel.close();
        }
        await ended;
      },
    };
  },
};

/** Unmounts a mount whose start failed. @returns the failure to report */
async function undone(mountpoint: string, error: unknown): Promise<Failure> {
  // Does not read the mount table, as there may be no file descriptor left for it.
  await detach(mountpoint, true).catch(() => {});
  return error instanceof Failure ? error : new Failure('mount-failed', { path: mountpoint }, error);
}

async function raiseReadAhead(device: string, log: Log): Promise<void> {
  try {
    await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(READ_AHEAD_KIB));
  } catch (error) {
    log.debug({ err: error }, 'the read-ahead of the mount could not be raised');
  }
}
