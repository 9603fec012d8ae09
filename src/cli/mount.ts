import { resolve } from 'node:path';
import { mountOptionNames, parseMountOptions } from '../base/options.js';
import type { DaemonRequest } from '../daemon/run.js';
import { parseSource } from '../project/source.js';
import { shortHash } from '../project/state-folder.js';
import { COMMON_OPTIONS, type Command, type CommandContext } from './command.js';
import { startDaemon } from './start-daemon.js';

export const mount: Command = {
  name: 'mount',
  arguments: '<source> <mountpoint>',
  summary: 'mount CONNECTION:PROJECT[/folder], or CONNECTION: for all projects; returns once the mount answers',
  options: mountOptionNames.filter((name) => !COMMON_OPTIONS.includes(name)),
  flags: [
    { flags: '-o <options>', help: 'mount options, separated by commas; may be repeated', repeat: true },
    { flags: '--read-only', help: 'the same as --ro' },
    { flags: '--foreground', help: 'stay until the mount ends' },
  ],
  run: (context) => runMount(context, context.argument(0), context.argument(1)),
};

export async function runMount(context: CommandContext, source: string, mountpoint: string): Promise<void> {
  const texts = (context.flags.o as string[] | undefined) ?? [];
  const { options, generic } = parseMountOptions(texts.join(','));
  const more = context.flags.readOnly === true ? { ...options, ro: 'true' } : options;
  parseSource(source);
  const state = context.state(more);
  const absolute = resolve(mountpoint);
  const request: DaemonRequest = {
    state: state.path,
    source,
    mountpoint: absolute,
    options: context.options(more),
    generic,
    log: state.log(`mount-${shortHash(absolute)}`),
  };
  if (request.options.allow_other !== true && process.getuid?.() === 0)
    process.stderr.write(
      'procorefs: only root can read this mount; add -o allow_other (with uid=,gid=,umask=) to let others in\n',
    );
  await startDaemon(request, { foreground: context.flags.foreground === true });
}
