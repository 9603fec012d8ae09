import { resolve } from 'node:path';
import { isFailure } from '../base/errors.js';
import { askDaemon, isAbsent } from '../daemon/control.js';
import { clearDeadMount, unmount } from '../fuse/mountpoint.js';
import type { Command } from './command.js';
import { mountAt } from './find-mount.js';

export const umount: Command = {
  name: 'umount',
  arguments: '<mountpoint>',
  summary: 'unmount',
  flags: [{ flags: '--force', help: 'also when files are open there' }],
  async run(context) {
    const state = context.state();
    const mountpoint = context.argument(0);
    const force = context.flags.force === true;
    try {
      const record = mountAt(state, mountpoint);
      await askDaemon(record.socket, 'unmount', { mountpoint: record.mountpoint, force });
    } catch (error) {
      // No record (another state folder) or no daemon (it was killed): the kernel can still unmount.
      if (!isFailure(error, 'not-mounted') && !isAbsent(error)) throw error;
      const absolute = resolve(mountpoint);
      if (!(await clearDeadMount(absolute))) await unmount(absolute, { force });
      state.removeMount(absolute);
    }
  },
};
