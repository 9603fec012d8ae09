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

/** `GET …/documents`: the flat index. */
export function getDocuments(call: Call): RouteReply {
  const { world, url } = call;
  const project = call.project();
  const query = readIndexQuery(url.searchParams, world.switches);
  const extended = url.searchParams.get('view') === 'extended';
  const list = (): RouteReply => {
    const rows = project.documentIndex.rows(query);
    const page = readPage(url, rows.length, world.switches);
    const writer = new IndexRowWriter(world, project, call.renderer(project));
    const texts: string[] = [];
    for (const row of rows.subarray(page.start, page.end)) texts.push(writer.row(row, extended));
    return { status: 200, headers: page.headers, body: `[${texts.join(',')}]` };
  };
  const stale = world.faults.hit('stale-index', 'api', `GET ${url.pathname}`);
  return stale ? project.store.history.asOf(Date.now() - (stale.seconds ?? 5) * 1000, list) : list();
}

/** `GET /rest/v2.0/companies/:company/projects/:project/folders[/:id]`: the immediate children, a page at a time. */
export function getFoldersV2(call: Call): RouteReply {
  const { world } = call;
  if (world.switches.is('v2-folders', 'absent')) throw call.error(404, 'Not Found');
  if (call.number('company') !== world.company.id) throw call.error(404, 'Company not found');
  const project = call.project();
  const { store, ids } = project;
  const row = call.params.id === undefined ? ROOT_ROW : visibleRow(call, project, 'folder');
  const renderer = call.renderer(project);
  const children = renderer.children(row);
  const writer = new IndexRowWriter(world, project, renderer);
  const page = readPage(call.url, children.length, world.switches, { size: 10, most: 100 });
  const data = children.slice(page.start, page.end).map((child) => ({
    ...(JSON.parse(writer.row(child, true)) as object),
    id: String(ids.item(child)),
    parent_id: String(ids.item(store.parent.get(child))),
  }));
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
