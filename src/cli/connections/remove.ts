import { systemClock } from '../../base/clock.js';
import { oneLine } from '../../base/text.js';
import { forgetConnection } from '../../connections/sign-out.js';
import { Connections, isTarget } from '../../connections/store.js';
import type { CommandContext } from '../command.js';

export async function removeConnection(context: CommandContext): Promise<void> {
  const state = context.state();
  const connections = new Connections(state.path);
  const connection = connections.find(context.argument(0));
  const { name } = connection;
  if (isTarget(connection)) {
    connections.remove(connection.id);
    return context.show({ removed: name }, () => `removed "${name}"; what is stored there stays`);
  }
  for (const mount of state.mounts().filter((one) => one.source.startsWith(`${name}:`)))
    process.stderr.write(`procorefs: ${oneLine(mount.mountpoint)} goes on with what is known, signed out\n`);
  const done = await forgetConnection(connections, connection, systemClock);
  if (done.tokens === 'kept')
    process.stderr.write(
      `procorefs: ${new URL(connection.loginUrl).host} did not end the sign-in: ${oneLine(done.why ?? 'unknown')}; disconnect the app in your profile at Procore\n`,
    );
  context.show({ removed: name, tokens: done.tokens }, () =>
    done.tokens === 'revoked' ? `removed "${name}", and ended its sign-in` : `removed "${name}"`,
  );
}

export async function setDisabled(context: CommandContext, disabled: boolean): Promise<void> {
  const connections = new Connections(context.state().path);
  const { id, name } = connections.setDisabled(context.argument(0), disabled);
  context.show({ id, name, disabled }, () => `"${name}" is ${disabled ? 'disabled' : 'enabled'}`);
}
