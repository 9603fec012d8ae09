import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { FileVersions } from '../cache/file-versions.js';
import type { Handle } from '../fuse/filesystem.js';
import type { Mirror } from '../mirror/mirror.js';
import type { Outbox } from '../outbox/outbox.js';
import type { Pins } from '../outbox/tree/pins.js';
import type { Checkouts } from '../outbox/upload/checkouts.js';
import type { Ownership } from './attributes.js';
import type { Numbering } from './nodes.js';
import type { Readers } from './readers.js';
import type { WebUrl } from './xattrs.js';

export interface FileSystemOptions {
  readonly mirror: Mirror;
  readonly outbox: Outbox;
  readonly owner: Ownership;
  readonly checkouts: Checkouts;
  readonly pins: Pins;
  readonly readers: Readers;
  readonly versions: FileVersions;
  readonly webUrl: WebUrl;
  readonly log: Log;
  /** The folder that is mounted; default: the project's root. */
  readonly root?: Inode;
  /** Set if the project is one of several folders of a mount. */
  readonly shared?: SharedMount;
}

/** What the projects of one mount share. */
export interface SharedMount {
  readonly numbering: Numbering;
  readonly newHandle: () => Handle;
  /** The most seconds for which the kernel may cache names and attributes. */
  readonly timeout: number;
}
