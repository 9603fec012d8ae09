import { Failure } from '../base/errors.js';
import { type Command, CommandContext } from './command.js';
import { runMount } from './mount.js';

/** Letters that mount(8) may pass to a helper, mount(8) "EXTERNAL HELPERS"; -N and -t take a value. */
const FLAGS = /^-[sfnvr]+$/;

/** Run by mount(8): `mount.procorefs SOURCE MOUNTPOINT [-sfnv] [-N namespace] [-o options] [-t type.subtype]`. */
export const mountHelper: Command = {
  name: 'mount-helper',
  arguments: '[words...]',
  summary: 'what mount(8) runs for the type procorefs',
  hidden: true,
  passThrough: true,
  async run(context) {
    const words: string[] = [];
    const options: string[] = [];
    let fake = false;
    for (let i = 0; i < context.args.length; i++) {
      const word = context.args[i]!;
      if (word === '-o') options.push(context.args[++i] ?? '');
      else if (word === '-t' || word === '-N') i++;
      else if (FLAGS.test(word)) {
        fake ||= word.includes('f');
        if (word.includes('r')) options.push('ro');
      } else words.push(word);
    }
    const [source, mountpoint] = words;
    if (source === undefined || mountpoint === undefined || words.length > 2)
      throw new Failure('usage', { what: 'mount.procorefs takes a source and a mount point' });
    if (!fake) await runMount(new CommandContext([source, mountpoint], { o: options }, {}), source, mountpoint);
  },
};
