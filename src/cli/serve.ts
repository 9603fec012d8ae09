import { resolve } from 'node:path';
import { Failure } from '../base/errors.js';
import { openService } from '../daemon/serve.js';
import { shortHash } from '../project/state-folder.js';
import type { TlsFiles } from '../server/http/tls.js';
import type { Command, CommandContext } from './command.js';
import { offerRoots } from './fs-roots.js';
import { startDaemon } from './start-daemon.js';
import { StandardInput } from './terminal.js';
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
    { flags: '--tls-cert <FILE>', help: 'speak HTTPS with this certificate (PEM); read again when it changes' },
    { flags: '--tls-key <FILE>', help: 'the key of the certificate, which nobody else may read' },
  ],
  async run(context) {
    const state = context.state();
    const listen = context.flag('listen');
    const tls = tlsFiles(context);
    if (listen !== undefined && process.stdin.isTTY) await askAtFirst(state.configFile);
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
      tls,
      version: VERSION,
    });
    const ended = new Promise<void>((resolve, reject) => {
      const end = (why: string): void => {
        service.log.info({ why }, 'the service ends');
        service.close().then(resolve, reject);
      };
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(signal));
      if (tls) process.on('SIGHUP', () => service.readCertificate());
      else process.once('SIGHUP', () => end('SIGHUP'));
    });
    for (const warning of service.warnings) process.stderr.write(`procorefs: ${warning}\n`);
    context.print(JSON.stringify({ http: service.http }));
    await ended;
  },
};

async function askAtFirst(configFile: string): Promise<void> {
  const input = new StandardInput();
  try {
    await offerRoots(configFile, async (question, standard) => {
      process.stderr.write(`${question} [${standard}]: `);
      return (await input.line())?.trim() || standard;
    });
  } finally {
    input.close();
  }
}

/** The certificate and key files. @throws Failure `usage` if only one of the two is given */
function tlsFiles(context: CommandContext): TlsFiles | undefined {
  const [cert, key] = [context.flag('tlsCert'), context.flag('tlsKey')];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new Failure('usage', { what: '--tls-cert and --tls-key go together' });
  return { cert: resolve(cert), key: resolve(key) };
}
