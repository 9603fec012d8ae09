import { PRIVATE } from '../../mirror/database/flags.js';
import type { Item } from '../../mirror/database/view.js';
import type { LocalItem } from '../../outbox/tree/tree.js';
import type { ProjectParts } from '../options.js';
import type { OlderVersion } from './older-versions.js';

/** Extended attributes of an older version. */
export const versionXattrs: ReadonlyMap<string, (item: LocalItem, older: OlderVersion) => string | undefined> = new Map(
  Object.entries({
    'user.procore.id': ({ remoteId }: LocalItem) => String(remoteId),
    'user.procore.version': (_: LocalItem, { version }: OlderVersion) => String(version.number),
    'user.procore.created_by': (_: LocalItem, { version }: OlderVersion) => version.createdBy,
  }),
);

/** Extended attributes of an item in the recycle bin. `deleted_from` is its former folder, if known and existing. */
export const recycledXattrs: ReadonlyMap<string, (item: Item, project: ProjectParts) => string | undefined> = new Map(
  Object.entries({
    'user.procore.id': ({ remoteId }: Item) => String(remoteId),
    'user.procore.version': (item: Item) => (item.isFile ? String(item.versionNumber) : undefined),
    'user.procore.web_url': (item: Item, { webUrl }: ProjectParts) => webUrl(item),
    'user.procore.created_by': ({ inode }: Item, { mirror }: ProjectParts) => mirror.view.people(inode).createdBy,
    'user.procore.private': ({ flags }: Item) => String((flags & PRIVATE) !== 0),
    'user.procore.deleted_from': (item: Item, { mirror }: ProjectParts) => {
      const folder = mirror.view.parent(item);
      const path = folder && mirror.view.path(folder);
      return path === undefined ? undefined : `/${path}`;
    },
  }),
);
