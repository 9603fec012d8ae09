import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import { asCompanyId, asProjectId, asRemoteId, type ProjectId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { Connection } from '../../connections/connection.js';
import { type AnyConnection, isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { openConnection } from '../../endpoints/connection.js';
import { checkPath } from '../../endpoints/paths.js';
import type { FolderListing, RemoteItem } from '../../procore/items.js';
import { type Account, isReader } from '../access/account.js';
import { AtMost } from '../http/at-most.js';
import { pageOf, type RowPage, type RowRange } from '../http/route.js';
import type { ListedFolder, RemoteRow, ServiceParts, WantedFolder } from '../parts.js';
import { requireReadable } from './limits.js';

const text = z.string().nullable();
const number = z.number().nullable();

export const listedItemReply = z.object({
  id: z.string(),
  name: z.string(),
  caption: z.string(),
  parent: z.object({ id: z.string() }).nullable(),
  path: z.string(),
  type: z.enum(['container', 'item']),
  item_type: z.enum(['project', 'folder', 'file']),
  bytes: number,
  etag: text,
  mime_type: text,
  version: text,
  hash: text,
  created_on: number,
  modified_on: number,
  created_by: text,
  modified_by: text,
  checkout_on: number,
  checkout_by: text,
  links: z.object({ items: text }),
});
type Item = z.input<typeof listedItemReply>;

/** The folder to list: by path, or by the id of an item. */
export interface ListingPlace {
  readonly path: string;
  readonly item: string | undefined;
  readonly q: string | undefined;
}

/** Milliseconds that a listing of Procore is reused, so that paging through it costs one call. */
const FRESH_MS = 30_000;
const MOST_LISTINGS = 50;
/** Targets open at once: each may need a program of its own. */
const MOST_LOOKS = 16;
/** Parent folders of an item that are checked for private folders. */
const MOST_FOLDERS = 100;

const NOTHING = {
  bytes: null,
  etag: null,
  mime_type: null,
  version: null,
  hash: null,
  created_on: null,
  modified_on: null,
  created_by: null,
  modified_by: null,
  checkout_on: null,
  checkout_by: null,
} as const;

/** The user who browses. */
export interface Looker {
  readonly account: Account;
  readonly signal: AbortSignal;
  /** Records this many calls. @throws Failure `too-many-requests` */
  spend(calls: number): void;
}

/** Lists folders of connections: of a target, or of a project; the top of a Procore connection lists its projects. */
export class Browser {
  readonly #parts: ServiceParts;
  readonly #listings = new LRUCache<string, FolderListing>({ max: MOST_LISTINGS, ttl: FRESH_MS });
  readonly #looks = new AtMost(MOST_LOOKS, 'targets are looked into');

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** @throws Failure `no-such-item`, `not-a-folder`, `no-such-project`, `role-too-low`, `too-many-requests`, … */
  async list(connection: AnyConnection, place: ListingPlace, range: RowRange, who: Looker): Promise<RowPage> {
    if (isTarget(connection)) {
      requireReadable(this.#parts.reach, who.account, connection, place.item ?? place.path);
      return this.#looks.run(() => listTarget(this.#parts, connection, place, range, who.signal));
    }
    const names = namesIn(place.path);
    const [project, folder] = place.item?.split(':') ?? (connection.project === undefined ? [names.shift()] : []);
    if (project === undefined && connection.project === undefined) {
      const rows = (connection.projects ?? []).map((one) => projectJson(connection, one)).filter(matches(place.q));
      return pageOf(rows, range);
    }
    if (folder !== undefined && !/^\d{0,16}$/.test(folder)) throw new Failure('no-such-item', { path: folder });
    const id = projectOf(connection, project ?? String(connection.project));
    const wanted = {
      folder: folder ? Number(folder) : undefined,
      // The id identifies the item: the path beside it is that of its parent.
      path: place.item === undefined ? names : [],
      q: place.q,
      ...range,
    };
    const above = place.item === undefined ? `/${names.join('/')}` : place.path;
    const found =
      (await this.#parts.mirrored(connection, id, wanted, isReader(who.account), who.signal)) ??
      (await this.#atServer(connection, id, wanted, who));
    const at = above.replace(/\/+$/, '');
    return { rows: found.rows.map((row) => procoreJson(connection, id, row, at)), total: found.total };
  }

  /** 1 call for each folder of the path, or none when the listing was fetched shortly before. */
  async #atServer(
    connection: Connection,
    project: ProjectId,
    { folder, path, q, offset, limit }: WantedFolder,
    who: Looker,
  ): Promise<ListedFolder> {
    const conceals = this.#parts.conceals(isReader(who.account));
    const isShown = (one: RemoteItem): boolean => !one.deleted && !one.recycleBin && !(conceals && one.private);
    const missing = (): Failure => new Failure('no-such-item', { path: path.join('/') || String(folder) });
    let listing = await this.#folder(connection, project, folder, who);
    if (conceals && folder !== undefined) await this.#requireShown(connection, project, listing, who);
    for (const name of path) {
      const found = listing.children.find((one) => one.name === name && isShown(one));
      if (!found) throw missing();
      if (found.type !== 'folder') throw new Failure('not-a-folder', { path: path.join('/') });
      listing = await this.#folder(connection, project, found.id, who);
    }
    const rows = listing.children.filter((one) => isShown(one) && matches(q)(one)).sort(byName);
    return { rows: rows.slice(offset, offset + limit).map(rowOf), total: rows.length };
  }

  /** Items below a private folder are hidden as well. */
  async #requireShown(connection: Connection, project: ProjectId, listing: FolderListing, who: Looker): Promise<void> {
    let { folder } = listing;
    for (let n = 0; n < MOST_FOLDERS; n++) {
      if (folder.private) throw new Failure('no-such-item', { path: String(listing.folder.id) });
      if (folder.parentId === null) return;
      ({ folder } = await this.#folder(connection, project, folder.parentId, who));
    }
  }

  async #folder(
    connection: Connection,
    project: ProjectId,
    folder: number | undefined,
    { signal, spend }: Looker,
  ): Promise<FolderListing> {
    const key = `${connection.id} ${project} ${folder ?? ''}`;
    const known = this.#listings.get(key);
    if (known) return known;
    spend(1);
    const session = this.#parts.session(connection);
    try {
      const options: CallOptions = { class: 'interactive', signal };
      const { client } = session.value;
      const listing = await (folder === undefined
        ? client.rootFolder(project, options)
        : client.folder(project, asRemoteId(folder), options));
      this.#listings.set(key, listing);
      return listing;
    } finally {
      session.release();
    }
  }
}

const namesIn = (path: string): string[] => path.split('/').filter((name) => name !== '');

const rowOf = (item: RemoteItem): RemoteRow => ({
  id: item.id,
  parent: item.parentId,
  name: item.name,
  folder: item.type === 'folder',
  ...(item.version
    ? {
        version: {
          id: item.version.id,
          number: item.version.number,
          size: item.version.size,
          at: item.version.createdAt,
        },
      }
    : {}),
  createdAt: item.createdAt,
  updatedAt: item.updatedAt,
  createdBy: item.version?.createdBy,
  checkedOutBy: item.checkedOutBy,
});

const byName = (a: RemoteItem, b: RemoteItem): number =>
  a.type === b.type ? (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) : a.type === 'folder' ? -1 : 1;

const matches = (q: string | undefined) => {
  const wanted = q?.toLowerCase();
  return ({ name }: { readonly name: string }): boolean => wanted === undefined || name.toLowerCase().includes(wanted);
};

/** @throws Failure `no-such-project`, `ambiguous-project` */
function projectOf(connection: Connection, word: string): ProjectId {
  if (connection.project !== undefined && String(connection.project) === word) return asProjectId(connection.project);
  const known = connection.projects ?? [];
  const found = known.filter(({ id, name }) => String(id) === word || name === word);
  const byId = found.find(({ id }) => String(id) === word);
  if (!byId && found.length > 1)
    throw new Failure('ambiguous-project', {
      count: found.length,
      project: word,
      ids: found.map(({ id }) => id).join(', '),
    });
  const one = byId ?? found[0];
  if (!one) throw new Failure('no-such-project', { name: connection.name, project: word });
  return asProjectId(one.id);
}

const itemsLink = (connection: AnyConnection, id: string): string =>
  `/v1/connections/${connection.id}/items/${encodeURIComponent(id)}`;

function projectJson(
  connection: Connection,
  { id, name, company }: { readonly id: number; readonly name: string; readonly company: number },
): Item {
  const own = `${id}:`;
  return {
    ...NOTHING,
    id: own,
    name,
    caption: name,
    parent: { id: String(asCompanyId(company)) },
    path: `/${id}`,
    type: 'container',
    item_type: 'project',
    links: { items: itemsLink(connection, own) },
  };
}

function procoreJson(connection: Connection, project: ProjectId, row: RemoteRow, path: string): Item {
  const id = `${project}:${row.id}`;
  const { version } = row;
  return {
    ...NOTHING,
    id,
    name: row.name,
    caption: row.name,
    parent: row.parent === null ? null : { id: `${project}:${row.parent}` },
    path: `${connection.project === undefined ? `/${project}` : ''}${path}/${row.name}`,
    type: row.folder ? 'container' : 'item',
    item_type: row.folder ? 'folder' : 'file',
    bytes: version?.size ?? null,
    version: version ? String(version.number) : null,
    etag: version ? String(version.id) : null,
    created_on: Math.floor(row.createdAt),
    modified_on: Math.floor(version?.at ?? row.updatedAt),
    created_by: row.createdBy ?? null,
    modified_by: row.createdBy ?? null,
    checkout_by: row.checkedOutBy ?? null,
    checkout_on: null,
    links: { items: row.folder ? itemsLink(connection, id) : null },
  };
}

/** Streams the listing: only the page is kept in memory. The id of an item is its path. */
async function listTarget(
  { connections }: ServiceParts,
  connection: TargetConnection,
  { path, item, q }: ListingPlace,
  { offset, limit }: RowRange,
  signal: AbortSignal,
): Promise<RowPage> {
  const folder = namesIn(item ?? path).join('/');
  checkPath(folder, connection.name);
  const target = await openConnection(connections, connection, { path: folder, mayWrite: false, signal });
  const isWanted = matches(q);
  const rows: Item[] = [];
  let total = 0;
  try {
    for await (const one of target.list('', signal)) {
      if (!isWanted(one)) continue;
      if (total >= offset && rows.length < limit) {
        const id = folder === '' ? one.name : `${folder}/${one.name}`;
        rows.push({
          ...NOTHING,
          id,
          name: one.name,
          caption: one.name,
          parent: folder === '' ? null : { id: folder },
          path: `/${id}`,
          type: one.folder ? 'container' : 'item',
          item_type: one.folder ? 'folder' : 'file',
          bytes: one.folder ? null : one.size,
          hash: one.hash ? `${one.hash.kind}:${one.hash.value}` : null,
          modified_on: one.mtime === undefined ? null : Math.floor(one.mtime),
          links: { items: one.folder ? itemsLink(connection, id) : null },
        });
      }
      total++;
    }
  } finally {
    await target.close();
  }
  return { rows, total };
}
