import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import { asCompanyId, asProjectId, asRemoteId, type ProjectId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { Connection } from '../../connections/connection.js';
import { type AnyConnection, isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import type { RemoteItem } from '../../procore/items.js';
import { openConnection } from '../../targets/connection.js';
import { checkPath } from '../../targets/paths.js';
import type { Page, Range } from '../http/route.js';
import type { Parts } from '../parts.js';

const text = z.string().nullable();
const number = z.number().nullable();

export const itemReply = z.object({
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
type Item = z.input<typeof itemReply>;

/** What a listing is asked for: by a path, or by the id of an item. */
export interface Place {
  readonly path: string;
  readonly item: string | undefined;
  readonly q: string | undefined;
}

/** Milliseconds that a listing of Procore is good for, so that paging through it costs one call. */
const FRESH = 30_000;
const MOST_LISTINGS = 50;

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

/** Looks into connections: a folder of a target, or of a project; the top of a Procore connection is its projects. */
export class Browser {
  readonly #parts: Parts;
  readonly #listings = new LRUCache<string, readonly Item[]>({ max: MOST_LISTINGS, ttl: FRESH });

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async list(connection: AnyConnection, place: Place, range: Range, signal: AbortSignal): Promise<Page> {
    if (isTarget(connection)) return listTarget(this.#parts, connection, place, range, signal);
    const all = await this.#procore(connection, place, signal);
    const rows = place.q === undefined ? all : all.filter(matches(place.q));
    return { rows: rows.slice(range.offset, range.offset + range.limit), total: rows.length };
  }

  async #procore(connection: Connection, { path, item }: Place, signal: AbortSignal): Promise<readonly Item[]> {
    if (item !== undefined) {
      const [project, folder] = item.split(':');
      const id = projectOf(connection, project ?? '');
      return this.#folder(connection, id, folder ?? '', path, signal);
    }
    const names = path.split('/').filter((name) => name !== '');
    const [first, ...rest] = connection.project === undefined ? names : [String(connection.project), ...names];
    if (first === undefined) return (connection.projects ?? []).map((one) => projectJson(connection, one));
    const project = projectOf(connection, first);
    let at = '';
    let below = '';
    for (const name of rest) {
      const found = (await this.#folder(connection, project, at, below, signal)).find((one) => one.name === name);
      if (!found) throw new Failure('no-such-item', { path });
      if (found.type !== 'container') throw new Failure('not-a-folder', { path });
      at = found.id.split(':')[1]!;
      below = `${below}/${name}`;
    }
    return this.#folder(connection, project, at, below, signal);
  }

  /** 1 call, or none when somebody looked just now. */
  async #folder(
    connection: Connection,
    project: ProjectId,
    folder: string,
    path: string,
    signal: AbortSignal,
  ): Promise<readonly Item[]> {
    if (!/^\d{0,16}$/.test(folder)) throw new Failure('no-such-item', { path: folder });
    const key = `${connection.id} ${project} ${folder}`;
    const known = this.#listings.get(key);
    if (known) return known;
    const session = this.#parts.session(connection);
    try {
      const options: CallOptions = { class: 'interactive', signal };
      const { client } = session.value;
      const listing = await (folder === ''
        ? client.rootFolder(project, options)
        : client.folder(project, asRemoteId(Number(folder)), options));
      const rows = listing.children
        .filter((one) => !one.deleted && !one.recycleBin)
        .map((one) => procoreJson(connection, project, one, path))
        .sort(byName);
      this.#listings.set(key, rows);
      return rows;
    } finally {
      session.release();
    }
  }
}

const byName = (a: Item, b: Item): number =>
  a.type === b.type ? (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) : a.type === 'container' ? -1 : 1;

const matches = (q: string) => {
  const wanted = q.toLowerCase();
  return ({ name }: { readonly name: string }): boolean => name.toLowerCase().includes(wanted);
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

function procoreJson(connection: Connection, project: ProjectId, item: RemoteItem, path: string): Item {
  const id = `${project}:${item.id}`;
  const isFolder = item.type === 'folder';
  return {
    ...NOTHING,
    id,
    name: item.name,
    caption: item.name,
    parent: item.parentId === null ? null : { id: `${project}:${item.parentId}` },
    path: `${connection.project === undefined ? `/${project}` : ''}${path}/${item.name}`,
    type: isFolder ? 'container' : 'item',
    item_type: isFolder ? 'folder' : 'file',
    bytes: item.version?.size ?? null,
    version: item.version ? String(item.version.number) : null,
    etag: item.version ? String(item.version.id) : null,
    created_on: Math.floor(item.createdAt),
    modified_on: Math.floor(item.version?.createdAt ?? item.updatedAt),
    created_by: item.version?.createdBy ?? null,
    modified_by: item.version?.createdBy ?? null,
    checkout_by: item.checkedOutBy ?? null,
    checkout_on: null,
    links: { items: isFolder ? itemsLink(connection, id) : null },
  };
}

/** Streams: of a folder only the page is kept. The id of an item is its path. */
async function listTarget(
  { connections }: Parts,
  connection: TargetConnection,
  { path, item, q }: Place,
  { offset, limit }: Range,
  signal: AbortSignal,
): Promise<Page> {
  const folder = (item ?? path)
    .split('/')
    .filter((name) => name !== '')
    .join('/');
  checkPath(folder, connection.name);
  const target = await openConnection(connections, connection, { path: folder, mayWrite: false, signal });
  const isWanted = q === undefined ? () => true : matches(q);
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
