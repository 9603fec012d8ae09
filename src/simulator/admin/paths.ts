import { Failure } from '../../base/errors.js';
import type { SimulatedProject } from '../project.js';
import { Flag } from '../store/flag.js';
import { ROOT_ROW } from '../store/items.js';

/** Reference to an item: by `path`, by `parent` and `name` (which may hold a slash), or by `id`. */
export interface ItemReference {
  readonly path?: string;
  readonly parent?: string;
  readonly name?: string;
  readonly id?: number;
  readonly type?: string;
}

export interface Spot {
  readonly parent: number;
  readonly name: string;
}

const missing = (what: string) => new Failure('usage', { what: `there is no ${what}` });

/** The live folder at a path from the root; the root is "". Throws the failure `usage`. */
export function folderAt(project: SimulatedProject, path: string): number {
  const row = path.replace(/^\/|\/$/g, '') === '' ? ROOT_ROW : find(project, path.replace(/^\/|\/$/g, ''), 'folder');
  if (row === undefined) throw missing(`folder "${path}"`);
  return row;
}

/** The live item of a reference; with `recycled`, the item last recycled from there. Throws the failure `usage`. */
export function itemAt(project: SimulatedProject, place: ItemReference, recycled = false): number {
  let row: number | undefined;
  if (place.id !== undefined) {
    row = ['file' as const, 'folder' as const].map((kind) => project.ids.row(place.id!, kind)).find((r) => r >= 0);
  } else if (place.name !== undefined) {
    row = child(project, folderAt(project, place.parent ?? ''), place.name, place.type, recycled);
  } else {
    const path = (place.path ?? '').replace(/^\/|\/$/g, '');
    row = path === '' ? ROOT_ROW : find(project, path, place.type, recycled);
  }
  if (row === undefined) throw missing(`item ${JSON.stringify(place.path ?? place.name ?? place.id)}`);
  return row;
}

/** The parent folder and name for a new item. */
export function spotAt(project: SimulatedProject, place: ItemReference): Spot {
  if (place.name !== undefined) return { parent: folderAt(project, place.parent ?? ''), name: place.name };
  const path = (place.path ?? '').replace(/^\/|\/$/g, '');
  const slash = path.lastIndexOf('/');
  return { parent: folderAt(project, path.slice(0, Math.max(0, slash))), name: path.slice(slash + 1) };
}

/** Tries every "/" as a separator, since names may contain "/" too. */
function find(
  project: SimulatedProject,
  path: string,
  kind?: string,
  recycled = false,
  from = ROOT_ROW,
): number | undefined {
  const whole = child(project, from, path, kind, recycled);
  if (whole !== undefined) return whole;
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    const folder = child(project, from, path.slice(0, slash), 'folder', false);
    const found = folder === undefined ? undefined : find(project, path.slice(slash + 1), kind, recycled, folder);
    if (found !== undefined) return found;
  }
  return undefined;
}

function child(project: SimulatedProject, parent: number, name: string, kind: string | undefined, recycled: boolean) {
  const { store } = project;
  const rows = store.names
    .find(parent, name)
    .filter((row) => store.has(row, Flag.deleted) === recycled && store.name(row) === name)
    .filter((row) => kind === undefined || (kind === 'folder') === store.isFolder(row));
  return recycled ? rows.at(-1) : rows[0];
}
