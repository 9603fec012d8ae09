import type { RouteReply } from '../http/reply.js';
import type { SimulatedProject } from '../project.js';
import { Flag } from '../store/flag.js';
import { ROOT_ROW } from '../store/items.js';
import type { Call } from './call.js';
import { readIndexQuery } from './filters.js';
import { IndexRowWriter } from './index-row.js';
import { readPage } from './paging.js';
import type { ShownFields } from './render.js';

/** `GET …/folders` and `GET …/folders/:id`. */
export function getFolder(call: Call): RouteReply {
  const project = call.project();
  const row = call.params.id === undefined ? ROOT_ROW : visibleRow(call, project, 'folder');
  return { status: 200, body: call.renderer(project).folder(row, shownOf(call)) };
}

/** The parts of a folder that the query flags of a call request. */
export const shownOf = (call: Call): ShownFields => ({
  folders: !call.flag('exclude_folders'),
  files: !call.flag('exclude_files'),
  latestVersionOnly: call.flag('show_latest_file_version_only'),
});

/** `GET …/files/:id`. */
export function getFile(call: Call): RouteReply {
  const project = call.project();
  const row = visibleRow(call, project, 'file');
  return { status: 200, body: call.renderer(project).file(row, call.flag('show_latest_version_only')) };
}

/** `GET /rest/v1.0/…/documents`: the flat index. */
export function getDocuments(call: Call): RouteReply {
  const { switches } = call.world;
  if (switches.is('index-v1', 'denied')) throw call.error(403, 'Your app is not permitted to use this API.');
  if (switches.is('index-v1', 'gone')) throw call.error(410, 'This version of the API has been retired.');
  return flatIndex(call, false);
}

/** `GET /rest/v2.0/…/documents`: its successor, with string ids, without paths, at most 100 rows a page. */
export function getDocumentsV2(call: Call): RouteReply {
  if (call.world.switches.is('index-v2', 'absent')) throw call.error(404, 'Not Found');
  return flatIndex(call, true);
}

function flatIndex(call: Call, isV2: boolean): RouteReply {
  const { world, url } = call;
  const { switches } = world;
  const project = call.project();
  const query = readIndexQuery(url.searchParams, switches);
  const extended = url.searchParams.get('view') === 'extended';
  const list = (): RouteReply => {
    const rows = project.documentIndex.rows(query);
    const paging = isV2 ? { size: 10, most: switches.number('index-v2-rows') } : undefined;
    const page = readPage(url, rows.length, switches, paging);
    const writer = new IndexRowWriter(world, project, call.renderer(project), isV2);
    const texts: string[] = [];
    for (const row of rows.subarray(page.start, page.end)) texts.push(writer.row(row, extended));
    const list = `[${texts.join(',')}]`;
    return { status: 200, headers: page.headers, body: isV2 ? `{"data":${list}}` : list };
  };
  const stale = world.faults.hit('stale-index', 'api', `GET ${url.pathname}`);
  return stale ? project.store.history.asOf(Date.now() - (stale.seconds ?? 5) * 1000, list) : list();
}

/** `GET /rest/v2.0/companies/:company/projects/:project/folders[/:id]`: the immediate children, a page at a time. */
export function getFoldersV2(call: Call): RouteReply {
  const { world } = call;
  if (world.switches.is('v2-folders', 'absent')) throw call.error(404, 'Not Found');
  const project = call.project();
  const row = call.params.id === undefined ? ROOT_ROW : visibleRow(call, project, 'folder');
  const renderer = call.renderer(project);
  const children = renderer.children(row);
  const writer = new IndexRowWriter(world, project, renderer, true);
  const page = readPage(call.url, children.length, world.switches, { size: 10, most: 100 });
  const data = children.slice(page.start, page.end).map((child) => JSON.parse(writer.row(child, true)) as object);
  return { status: 200, headers: page.headers, body: { data } };
}

/** The row of the id `given`, else of the path's `id`; throws 404 if the item does not exist or is not visible. */
export function visibleRow(call: Call, project: SimulatedProject, kind: 'file' | 'folder', given?: number): number {
  const { switches } = call.world;
  const id = given ?? call.number('id');
  const row = project.ids.row(id, kind);
  const forbidden =
    kind === 'folder'
      ? call.world.faults.hit('forbidden-folder', 'api', `${call.request.method} ${call.url.pathname}`)
      : undefined;
  if (forbidden && (forbidden.id ?? id) === id) {
    throw call.error(403, 'You do not have permission to access this folder.');
  }
  const hidden = Flag.gone | Flag.hidden | (switches.is('private-items', 'hidden') ? Flag.private : 0);
  if (row < 0 || project.store.has(row, hidden)) throw call.error(404, 'Not Found');
  const recycled = project.store.has(row, Flag.deleted | Flag.binned);
  const hides = {
    GET: switches.is('recycled-get', '404'),
    POST: switches.is('recycled-write', '404'),
    DELETE: switches.is('recycled-write', '404'),
  }[call.request.method ?? ''];
  if (recycled && hides) throw call.error(404, 'Not Found');
  return row;
}
