import { openService } from '../daemon/serve.js';
import { shortHash } from '../daemon/state-folder.js';
import type { Command } from './command.js';
import { startDaemon } from './start-daemon.js';
import { VERSION } from './version.js';

export const serve: Command = {
  name: 'serve',
  summary: 'the service: keeps the mounts of the configuration, runs the jobs, answers the HTTP API',
  options: ['private', 'budget_wait', 'cache', 'cache_reserve', 'bandwidth', 'settle', 'delete_delay', 'hold_after'],
  flags: [
    {
      flags: '--listen <HOST:PORT>',
      help: 'an address for users that `users add` made (default: a unix socket of this user in the state folder)',
    },
  ],
  async run(context) {
    const state = context.state();
    const listen = context.flag('listen');
    const service = await openService({
      state,
      options: context.options(),
      mount: ({ source, mountpoint, options, generic }, signal) =>
        startDaemon(
          {
            state: state.path,
            source,
            mountpoint,
            options: context.optionsWith(options),
            generic,
            log: state.log(`mount-${shortHash(mountpoint)}`),
          },
          { foreground: false, signal },
        ),
      listen,
      version: VERSION,
    });
    const ended = new Promise<void>((resolve, reject) => {
      const end = (why: string): void => {
        service.log.info({ why }, 'the service ends');
        service.close().then(resolve, reject);
      };
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => end(signal));
    });
    if (listen !== undefined && service.roots.length === 0)
      process.stderr.write(
        `no folder of this machine is open to users of the API: "fs_roots": ["/srv/…"] in ${state.configFile} opens some\n`,
      );
    context.print(JSON.stringify({ http: service.http }));
    await ended;
  },
};
