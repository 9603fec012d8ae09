import { resolve } from 'node:path';
import { Failure, isFailure } from '../base/errors.js';
import { askWithin, isAbsent } from '../daemon/control.js';
import { clearDeadMounts } from '../daemon/dead-mounts.js';
import { unmount } from '../fuse/mountpoint.js';
import type { UploadLine } from '../outbox/uploads-view.js';
import type { Command } from './command.js';
import { DrainProgressLine } from './drain-progress.js';
import { mountAt } from './find-mount.js';
import { numberFlag } from './flags.js';
import { describe } from './uploads.js';

/** Default time limit for pending uploads in seconds. */
const DRAIN_TIMEOUT_S = 60;
/** Time limit for the unmount itself in milliseconds. */
const UNMOUNT_LIMIT_MS = 30_000;

export const umount: Command = {
  name: 'umount',
  arguments: '<mountpoint>',
  summary: 'unmount',
  flags: [
    { flags: '--force', help: 'also when files are open there' },
    { flags: '--timeout <S>', help: `seconds to wait for the outbox (default: ${DRAIN_TIMEOUT_S})` },
  ],
  async run(context) {
    const state = context.state();
    const mountpoint = context.argument(0);
    const force = context.flags.force === true;
    try {
      const record = mountAt(state, mountpoint);
      const timeout = numberFlag(context, 'timeout') ?? DRAIN_TIMEOUT_S;
      const words = { mountpoint: record.mountpoint, force, timeout };
      const progress = new DrainProgressLine();
      const limit = timeout * 1000 + UNMOUNT_LIMIT_MS;
      const tell = context.json ? undefined : progress.of(record);
      const left = await askWithin<UploadLine[]>(limit, record, 'unmount', words, tell).finally(() => progress.end());
      if (left.length > 0)
        process.stderr.write(
          `procorefs: ${new Failure('uploads-left', { count: left.length }).line}\n${describe(left)}\n`,
        );
    } catch (error) {
      // Without a record (another state folder) or a daemon (it was killed), the kernel can still unmount.
      if (!isFailure(error, 'not-mounted') && !isAbsent(error)) throw error;
      const absolute = resolve(mountpoint);
      if (!(await clearDeadMounts(state, absolute))) await unmount(absolute, { force });
      state.removeMount(absolute);
    }
  },
};
