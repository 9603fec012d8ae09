import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { FileVersions } from '../cache/file-versions.js';
import type { Handle } from '../fuse/filesystem.js';
import type { Item } from '../mirror/database/view.js';
import type { Mirror } from '../mirror/mirror.js';
import type { Outbox } from '../outbox/outbox.js';
import type { PinKeeper } from '../outbox/tree/pin-keeper.js';
import type { Pins } from '../outbox/tree/pins.js';
import type { Checkouts } from '../outbox/upload/checkouts.js';
import type { Ownership } from './attributes.js';
import type { Numbering } from './nodes.js';
import type { Readers } from './readers.js';

/** The parts of an open project that its file systems show. */
export interface ProjectParts {
  readonly mirror: Mirror;
  readonly outbox: Outbox;
  readonly checkouts: Checkouts;
  readonly pins: Pins;
  readonly readers: Readers;
  readonly versions: FileVersions;
  /** The URL of an item for a web browser. */
  readonly webUrl: (item: Item) => string;
}

/** How a mount shows a project. */
export interface Showing {
  readonly owner: Ownership;
  /** The folder that is mounted; default: the project's root. */
  readonly root?: Inode;
  /** Set if the project is one of several folders of a mount. */
  readonly shared?: SharedMount;
  readonly log: Log;
}

/** What the projects of one mount share. */
export interface SharedMount {
  readonly numbering: Numbering;
  readonly newHandle: () => Handle;
  /** The most seconds for which the kernel may cache names and attributes. */
  readonly timeout: number;
}

/** The rules for changes through a mount. */
export interface WritingRules {
  /** Check files out while they are open for writing. */
  readonly checkout: boolean;
  /** Refuse a change of owner or group. Otherwise it is accepted and ignored, as on any share without owners. */
  readonly strictOwner: boolean;
  readonly pinKeeper: PinKeeper;
  /** If set, fsync waits for it: resolves when every acknowledged change of the item is at the server. */
  readonly publish?: (inode: Inode, signal: AbortSignal) => Promise<void>;
}
