import { oneLine } from '../base/text.js';
import { askMount } from '../daemon/control.js';
import type { Restored } from '../project/restore.js';
import type { Command } from './command.js';
import { mountHolding } from './find-mount.js';

export const restoreCommand: Command = {
  name: 'restore',
  arguments: '<path>',
  summary: 'bring a deleted item back: MNT/.procore/recycle/NAME, or the path where it was (1 call)',
  async run(context) {
    const { record, path } = mountHolding(context.state(), context.argument(0));
    const restored = await askMount<Restored>(record, 'restore', { mountpoint: record.mountpoint, path });
    const note = restored.note === undefined ? '' : ` (${restored.note})`;
    context.show(restored, () => oneLine(`restored /${restored.path}${note}`, 4096));
  },
};
