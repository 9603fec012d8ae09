import type { Secret } from '../base/secret.js';
import type { TargetConnection } from '../connections/target-connection.js';

export interface OpenOptions {
  /** The folder below the connection's own that becomes the root; `''` or left out: that one. */
  readonly path?: string;
  /** Makes the root if it is missing; what it lies on must be there. */
  readonly create?: boolean;
  /** Whether rules may be tried out there. Otherwise nothing is written before the first write. */
  readonly mayWrite: boolean;
  /** Where the file system must be mounted that the folder lies on; else it is `target-unreachable`. */
  readonly mountedAt?: string | undefined;
  readonly password?: Secret | undefined;
  /** Values of options that are secrets. */
  readonly secrets?: Readonly<Record<string, Secret>>;
  /** A file (0600) that rclone keeps the account's tokens in; left out: there are none. */
  readonly rcloneConfiguration?: string;
  /** The state folder: what is secret or not complete lies below it. Only a folder of this machine does without. */
  readonly state?: string;
  readonly signal: AbortSignal;
}
/** What opens a target: the connection without the fields that only the store needs. */
export type TargetDefinition = Pick<
  TargetConnection,
  'platform' | 'uri' | 'username' | 'options' | 'mountpoint' | 'within'
>;
