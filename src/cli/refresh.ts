import { askMount } from '../daemon/control.js';
import type { Command } from './command.js';
import { mountHolding } from './find-mount.js';

export const refreshCommand: Command = {
  name: 'refresh',
  arguments: '<path>',
  summary: 'list a folder anew at the server (1 call)',
  async run(context) {
    const { record, path } = mountHolding(context.state(), context.argument(0));
    await askMount(record, 'refresh', { mountpoint: record.mountpoint, path });
  },
};
