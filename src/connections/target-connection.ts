import * as z from 'zod';

/** A target's file among the connections. Unknown keys stay, so that an older program keeps what a newer one wrote. */
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

/** Where jobs copy to and from other than Procore. Its secrets are elsewhere. */
export interface TargetConnection {
  readonly id: string;
  readonly name: string;
  /** `fs`, `nfs`, `smb`, `rsync`, or a type of storage that rclone knows (`s3`, `webdav`, `onedrive`, …). */
  readonly platform: string;
  /** A folder, `\\server\share\folder`, `host:/folder`, an address, `bucket/folder`: as the platform wants it. */
  readonly uri: string;
  readonly username?: string | undefined;
  /** What else the platform takes: `port`, `provider`, `endpoint`, … */
  readonly options?: Readonly<Record<string, string>> | undefined;
  /** Options whose values stand among the secrets. */
  readonly secretOptions?: readonly string[] | undefined;
  /** Of a folder: where its file system was mounted when the connection was made. */
  readonly mountpoint?: string | undefined;
  /** Of a folder: the one that no link may lead out of. */
  readonly within?: string | undefined;
  /** No job runs with it, until it is enabled again. */
  readonly disabled?: true | undefined;
  /** ISO 8601. */
  readonly createdAt: string;
}
