import { Failure } from '../../base/errors.js';
import { people, SOMEBODY_ELSE } from '../generate/people.js';
import type { SimulatedProject } from '../project.js';
import { GENERATED, ROOT_ROW } from '../store/items.js';
import type { World } from '../world.js';
import { folderAt, type ItemReference, itemAt, spotAt } from './paths.js';

/** A change made outside the API. Without content, a new file is empty. */
export interface AdminChange extends ItemReference {
  readonly op: string;
  /** Project id; absent: the first project. */
  readonly project?: number;
  /** rename: the new name, or path; project: the new name; move: the folder, or the new path. */
  readonly to?: string;
  readonly content?: string;
  readonly base64?: string;
  /** Size of generated content in bytes. */
  readonly size?: number;
  /** create: number of items; `#` in the name is replaced by 1, 2, … */
  readonly count?: number;
  /** create: also create missing folders of the path. */
  readonly parents?: boolean;
  readonly private?: boolean;
  /** permission, project: whether the account sees the item or project. */
  readonly visible?: boolean;
  /** Login or name of the person who acts; null ends a check-out. */
  readonly by?: string | null;
  /** checkout: seconds from now; default: one day. */
  readonly seconds?: number;
}

type Operation = (world: World, project: SimulatedProject, change: AdminChange) => unknown;

const operations: Readonly<Record<string, Operation>> = {
  create(world, project, change) {
    if (change.parents && change.path !== undefined) makeParents(project, change);
    const count = change.count ?? 1;
    const results: unknown[] = [];
    for (let n = 1; n <= count; n++) {
      const { parent, name } = spotAt(project, change);
      const own = change.count === undefined ? name : name.replace('#', String(n));
      const by = person(change);
      const isFolder = change.type === 'folder' || (change.type === undefined && change.path?.endsWith('/') === true);
      const row = isFolder
        ? project.documents.createFolder(parent, own, by, change.private ?? false)
        : project.documents.createFile(parent, own, { ...content(world, change), by });
      if (results.length < 1000) results.push(describe(project, row));
    }
    return change.count === undefined ? results[0] : results;
  },
  update(world, project, change) {
    const row = itemAt(project, { type: 'file', ...change });
    project.documents.addVersion(row, { ...content(world, change), by: person(change) });
    return describe(project, row);
  },
  rename(_, project, change) {
    const row = itemAt(project, change);
    const to = change.to ?? '';
    const { parent } = project.store;
    if (to.includes('/') && change.path?.includes('/') && change.name === undefined) {
      const target = spotAt(project, { path: to });
      project.documents.change(row, { parent: target.parent, name: target.name });
    } else project.documents.change(row, { parent: parent.get(row), name: to });
    return describe(project, row);
  },
  move(_, project, change) {
    const row = itemAt(project, change);
    const target = moveTarget(project, change.to ?? '');
    project.documents.change(row, target);
    return describe(project, row);
  },
  delete(_, project, change) {
    const row = itemAt(project, change);
    if (row === ROOT_ROW) throw new Failure('usage', { what: 'the root cannot be deleted' });
    project.documents.recycle(row);
    return describe(project, row);
  },
  restore(_, project, change) {
    const row = itemAt(project, change, true);
    project.documents.restore(row);
    if (change.to !== undefined) project.documents.change(row, moveTarget(project, change.to));
    return describe(project, row);
  },
  purge(_, project, change) {
    const live = () => itemAt(project, change);
    let row: number;
    try {
      row = itemAt(project, change, true);
    } catch {
      row = live();
    }
    project.documents.purge(row);
    return {};
  },
  permission(_, project, change) {
    const row = itemAt(project, change);
    if (change.private !== undefined) project.documents.setPrivate(row, change.private);
    if (change.visible !== undefined) project.documents.setVisible(row, change.visible);
    return describe(project, row);
  },
  /** Changes the name of the project, and whether the account may see it. */
  project(_, project, change) {
    if (change.to !== undefined) project.name = change.to;
    if (change.visible !== undefined) project.permitted = change.visible;
    return { id: project.id, path: project.name, type: 'project' };
  },
  checkout(world, project, change) {
    const row = itemAt(project, { type: 'file', ...change });
    const until = world.clock.seconds() + (change.seconds ?? 86_400);
    project.documents.checkOut(row, change.by === null ? undefined : { by: person(change), until });
    return describe(project, row);
  },
};

/** Applies one change; throws the failure `usage`, or the API's error. */
export function applyChange(world: World, change: AdminChange): unknown {
  const operation = Object.hasOwn(operations, change.op) ? operations[change.op] : undefined;
  if (!operation) {
    throw new Failure('usage', { what: `op is one of ${Object.keys(operations).join(', ')}, not "${change.op}"` });
  }
  const project = world.projectById(change.project);
  if (!project) throw new Failure('usage', { what: `there is no project ${change.project}` });
  return operation(world, project, change);
}

function content(world: World, change: AdminChange): { size: number; content: number } {
  if (change.size !== undefined) return { size: change.size, content: GENERATED };
  const bytes = change.base64 === undefined ? Buffer.from(change.content ?? '') : Buffer.from(change.base64, 'base64');
  return { size: bytes.length, content: world.contents.add({ bytes }) };
}

function person(change: AdminChange): number {
  if (change.by === undefined || change.by === null) return SOMEBODY_ELSE;
  const index = people.findIndex(({ login, name }) => login === change.by || name === change.by);
  if (index < 0) throw new Failure('usage', { what: `there is nobody called "${change.by}"` });
  return index;
}

/** The folder at the path if it exists, else the parent and name of a path that is not in use. */
function moveTarget(project: SimulatedProject, to: string): { parent: number; name?: string } {
  try {
    return { parent: folderAt(project, to) };
  } catch {
    return spotAt(project, { path: to });
  }
}

function makeParents(project: SimulatedProject, change: AdminChange): void {
  const folders = change
    .path!.replace(/^\/|\/$/g, '')
    .split('/')
    .slice(0, -1);
  let path = '';
  for (const name of folders) {
    const parent = folderAt(project, path);
    path = path === '' ? name : `${path}/${name}`;
    try {
      folderAt(project, path);
    } catch {
      project.documents.createFolder(parent, name, person(change));
    }
  }
}

function describe(project: SimulatedProject, row: number): object {
  const { store, ids } = project;
  const version = store.version.get(row);
  return {
    id: ids.item(row),
    path: store.path(row),
    type: store.isFolder(row) ? 'folder' : 'file',
    ...(version >= 0 ? { version_id: ids.version(version), number: store.versionNumber.get(version) } : {}),
  };
}
