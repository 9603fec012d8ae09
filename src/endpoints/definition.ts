import type { Secret } from '../base/secret.js';
import type { TargetConnection } from '../connections/target-connection.js';

export interface OpenOptions {
  /** The folder below the connection's own that becomes the root; `''` or absent: the connection's own. */
  readonly path?: string;
  /** Creates the root if it is missing; its parent storage must exist. */
  readonly create?: boolean;
  /** Whether rules may be tested by writing. Otherwise nothing is written before the first write. */
  readonly mayWrite: boolean;
  /** Required mount point of the folder's file system; otherwise the target is `target-unreachable`. */
  readonly mountedAt?: string | undefined;
  readonly password?: Secret | undefined;
  /** Values of secret options. */
  readonly secrets?: Readonly<Record<string, Secret>>;
  /** A file (0600) in which rclone keeps the account's tokens; absent: there are none. */
  readonly rcloneConfiguration?: string;
  /** The state folder: secret and incomplete data is stored below it. Only a folder of this machine needs none. */
  readonly state?: string;
  readonly signal: AbortSignal;
}
/** The fields that open a target: the connection without those that only the store needs. */
export type TargetDefinition = Pick<
  TargetConnection,
  'platform' | 'uri' | 'username' | 'options' | 'mountpoint' | 'within'
>;
