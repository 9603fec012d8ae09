import type { Clock } from '../base/clock.js';
import type { RemoteId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { ContentCache } from '../cache/cache.js';
import type { FolderAt } from '../mirror/database/index-positions.js';
import type { View } from '../mirror/database/view.js';

export interface OutboxOptions {
  /** Holds `outbox.db`, `staging/`, `lost+found/`. */
  readonly folder: string;
  readonly view: View;
  readonly content: ContentCache;
  readonly log: Log;
  readonly clock: Clock;
  /** Bytes of disk that writing leaves free. */
  readonly reserve: number;
  /** More names that are held back like transfer temporaries. */
  readonly temporary: readonly string[];
  readonly noDelete: boolean;
  /** Longest path below folders of the server, in code points; asked before a folder is renamed. */
  readonly longestBelow: LongestAtServer;
  /** Puts the mirror on stable storage. */
  readonly syncMirror: () => Promise<void>;
}
/** The longest path at the server below these folders, without the items in `without` that are below them. */
export type LongestAtServer = (folders: readonly FolderAt[], without: readonly RemoteId[]) => Promise<number>;
