import { existsSync } from 'node:fs';
import type { Connections } from '../connections/store.js';
import type { TargetConnection } from '../connections/target-connection.js';
import type { OpenOptions } from './definition.js';
import { openTarget } from './open.js';
import type { Target } from './target.js';

export type ConnectionOpenOptions = Omit<OpenOptions, 'password' | 'secrets' | 'rcloneConfiguration' | 'state'>;

/** Opens the target of a connection, with its secrets. @throws Failure as `openTarget`, `state-unsafe` */
export function openConnection(
  { secrets, state }: Pick<Connections, 'secrets' | 'state'>,
  connection: TargetConnection,
  options: ConnectionOpenOptions,
): Promise<Target> {
  const { id, secretOptions = [] } = connection;
  const rcloneConfiguration = secrets.rclonePath(id);
  return openTarget(connection, {
    ...options,
    state,
    password: secrets.ownSecret(id),
    secrets: secretOptions.length === 0 ? {} : secrets.options(id),
    ...(existsSync(rcloneConfiguration) ? { rcloneConfiguration } : {}),
  });
}
