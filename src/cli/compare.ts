import { Failure } from '../base/errors.js';
import { comparePlatforms } from '../names/compare.js';
import type { Platform } from '../names/platform.js';
import { type PlatformName, platformNamed, platformNames, platforms } from '../names/platforms.js';
import type { Command } from './command.js';
import { columns } from './format.js';

export const compare: Command = {
  name: 'compare',
  arguments: '<source> <destination>',
  summary: 'how two platforms go together when files are copied from one to the other, row by row',
  async run(context) {
    const [source, destination] = [platformOf(context.argument(0)), platformOf(context.argument(1))];
    const rows = comparePlatforms(source.row, destination.row);
    context.show({ source: source.name, destination: destination.name, rows }, () =>
      columns([
        ['FEATURE', 'VERDICT', source.row.title.toUpperCase(), destination.row.title.toUpperCase()],
        ...rows.map((row) => [row.feature, row.verdict, row.source, row.destination]),
      ]),
    );
  },
};

function platformOf(given: string): { readonly name: PlatformName; readonly row: Platform } {
  const name = platformNamed(given);
  if (!name) throw new Failure('usage', { what: `"${given}" is none of the platforms ${platformNames.join(', ')}` });
  return { name, row: platforms[name] };
}
