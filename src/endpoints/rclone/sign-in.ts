import { Failure } from '../../base/errors.js';
import type { Connections } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { temporaryIn } from '../temporary.js';
import { RcloneDaemon } from './daemon.js';
import { REMOTE, remoteOf } from './open.js';
import { STORAGE_TYPES } from './types.js';

/** Runs a program at the person's terminal; returns whether it succeeded. */
type AtTerminal = (program: string, words: readonly string[], env: NodeJS.ProcessEnv) => Promise<boolean>;

/**
 * Signs a person in to a cloud with rclone's own flow, which opens a browser, or on a machine without one prints what
 * to run on another. The tokens stay in the connection's file among the secrets (0600).
 * @throws Failure `target-login`, `program-missing`
 */
export async function signInWithRclone(
  { secrets, state }: Pick<Connections, 'secrets' | 'state'>,
  connection: TargetConnection,
  run: AtTerminal,
): Promise<void> {
  const { id, platform, name } = connection;
  const type = STORAGE_TYPES[platform]!;
  const configuration = secrets.preparedRclonePath(id);
  const given = { password: secrets.ownSecret(id), secrets: secrets.options(id) };
  const { parameters } = remoteOf(connection, given, type);
  const signal = AbortSignal.timeout(30_000);
  // The daemon writes secrets into the file: all users can see a command line.
  const daemon = await RcloneDaemon.start({ configuration, temporary: temporaryIn(state) }, signal);
  try {
    const input = {
      name: REMOTE,
      type: type.type ?? platform,
      parameters,
      opt: { nonInteractive: true, obscure: true },
    };
    await daemon.call('config/create', input, signal);
  } finally {
    await daemon.close();
  }
  const env = { ...process.env, RCLONE_CONFIG: configuration };
  if (!(await run('rclone', ['config', 'reconnect', `${REMOTE}:`], env)))
    throw new Failure('target-login', { target: name, why: 'rclone was not signed in' });
}
