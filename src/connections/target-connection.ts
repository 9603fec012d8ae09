import * as z from 'zod';

/**
 * A target's file among the connections. Unknown keys are kept, so that an older program does not lose those of a newer
 * one.
 */
export const targetConnectionSchema = z.looseObject({
  id: z.string().regex(/^[0-9a-z-]{1,64}$/),
  name: z.string().min(1),
  platform: z.string().regex(/^(?!procore$)[a-z0-9][a-z0-9-]*$/),
  uri: z.string(),
  username: z.string().optional(),
  options: z.record(z.string(), z.string()).optional(),
  secretOptions: z.array(z.string()).optional(),
  mountpoint: z.string().optional(),
  within: z.string().optional(),
  disabled: z.literal(true).optional(),
  createdAt: z.string(),
});

/** A source or destination of jobs other than Procore. Its secrets are stored separately. */
export interface TargetConnection {
  readonly id: string;
  readonly name: string;
  /** `fs`, `nfs`, `smb`, `rsync`, or a type of storage that rclone supports (`s3`, `webdav`, `onedrive`, …). */
  readonly platform: string;
  /** A folder, `\\server\share\folder`, `host:/folder`, an address, `bucket/folder`: as the platform requires. */
  readonly uri: string;
  readonly username?: string | undefined;
  /** Other settings of the platform: `port`, `provider`, `endpoint`, … */
  readonly options?: Readonly<Record<string, string>> | undefined;
  /** Options whose values are stored with the secrets. */
  readonly secretOptions?: readonly string[] | undefined;
  /** For a folder: the mount point of its file system when the connection was created. */
  readonly mountpoint?: string | undefined;
  /** For a folder: the folder that no link may lead out of. */
  readonly within?: string | undefined;
  /** No job runs with it, until it is enabled again. */
  readonly disabled?: true | undefined;
  /** ISO 8601. */
  readonly createdAt: string;
}
