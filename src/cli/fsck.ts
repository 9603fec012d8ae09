import { askMount } from '../daemon/control.js';
import type { Compared } from '../project/compare.js';
import { chosenMounts } from './chosen-mounts.js';
import type { Command } from './command.js';
import { columns, plural } from './format.js';

export const fsck: Command = {
  name: 'fsck',
  arguments: '[mountpoint]',
  summary: 'compare everything with the server and correct what differs (1 call for 2,000 items)',
  async run(context) {
    const { records, of } = chosenMounts(context);
    const found = (await Promise.all(records.map((one) => askMount<Compared[]>(one, 'fsck', of)))).flat();
    context.show(found, () =>
      columns(
        found.map(({ project, items, repaired, calls }) => [
          project,
          plural(items, 'item'),
          repaired === 0 ? 'all as at the server' : `${repaired} corrected`,
          plural(calls, 'call'),
        ]),
      ),
    );
  },
};
