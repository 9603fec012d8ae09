import { once } from 'node:events';
import { Failure } from '../base/errors.js';
import { oneLine } from '../base/text.js';
import { checkFolder, type NameFinding } from '../names/check-folder.js';
import { isPlatform, platformNames } from '../names/platforms.js';
import type { Command } from './command.js';
import { plural } from './format.js';

/** Exit status 1 if any name would be refused, so that a script can stop before the copy. */
export const check: Command = {
  name: 'check',
  arguments: '<folder>',
  summary: 'before a copy: which names a platform would refuse, and what to call them instead',
  flags: [{ flags: '--for <platform>', help: `${platformNames.join(' or ')} (default: procore)` }],
  async run(context) {
    const platform = context.flag('for') ?? 'procore';
    if (!isPlatform(platform))
      throw new Failure('usage', { what: `--for is one of ${platformNames.join(', ')}, not "${platform}"` });
    const result = checkFolder(context.argument(0), platform);
    let refused = 0;
    if (context.json) await write('{"refused":[');
    for await (const finding of result.findings()) {
      await write(context.json ? `${refused === 0 ? '' : ','}${JSON.stringify(finding)}` : `${describe(finding)}\n`);
      refused++;
    }
    if (context.json) await write(`],"checked":${result.checked}}\n`);
    else context.print(`${plural(refused, 'name')} of ${result.checked.toLocaleString('en-US')} would be refused`);
    if (refused > 0) process.exitCode = 1;
  },
};

const describe = ({ path, words, suggestion }: NameFinding): string =>
  `${oneLine(path, 1000)}: ${words}${suggestion === undefined ? '' : `; try "${oneLine(suggestion)}"`}`;

/** Waits for a slow reader of the output, which also slows down the directory walk. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
