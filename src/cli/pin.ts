import { askMount } from '../daemon/control.js';
import type { PinStatistics } from '../outbox/tree/pin-keeper.js';
import type { Command, CommandContext } from './command.js';
import { mountHolding } from './find-mount.js';
import { bytes, plural } from './format.js';

export const pin: Command = {
  name: 'pin',
  arguments: '<path>',
  summary: 'keep a file, or all below a folder, on this machine and current',
  run: (context) => ask(context, 'pin'),
};

export const unpin: Command = {
  name: 'unpin',
  arguments: '<path>',
  summary: 'keep it no longer: it goes when the cache needs the room',
  run: (context) => ask(context, 'unpin'),
};

async function ask(context: CommandContext, method: 'pin' | 'unpin'): Promise<void> {
  const { record, path } = mountHolding(context.state(), context.argument(0));
  const answer = await askMount<PinStatistics>(record, method, { mountpoint: record.mountpoint, path });
  context.show(answer, () => describePins(answer));
}

export const describePins = ({ items, files, bytes: all, missing }: PinStatistics): string =>
  `${plural(items, 'pin')}: ${plural(files, 'file')}, ${bytes(all)}${missing > 0 ? `, ${bytes(missing)} to fetch` : ''}`;
