import { sizeOf } from '../content/contents.js';
import type { GivenFile } from '../documents.js';
import { ApiError, fieldError, type RouteReply } from '../http/reply.js';
import type { SimulatedProject } from '../project.js';
import { Flag } from '../store/flag.js';
import { ROOT_ROW } from '../store/items.js';
import { type Fields, readFields } from './body.js';
import type { Call } from './call.js';
import { shownOf, visibleRow } from './read-routes.js';
import { usedUpload } from './upload-routes.js';

/** `POST …/folders`. */
export async function postFolder(call: Call): Promise<RouteReply> {
  const project = call.project(true);
  const { values } = await readFields(call, 'folder');
  const parent = parentRow(call, project, values.get('parent_id')) ?? ROOT_ROW;
  const isPrivate = isTrue(values.get('explicit_permissions'));
  const row = project.documents.createFolder(parent, text(values, 'name') ?? '', call.token.person, isPrivate);
  return { status: 201, body: changedFolder(call, project, row) };
}

/** `PATCH …/folders/:id`: renames, moves, or both; also restores from the recycle bin. */
export async function patchFolder(call: Call): Promise<RouteReply> {
  const project = call.project(true);
  const row = changeableRow(call, project, 'folder');
  const { values } = await readFields(call, 'folder');
  move(call, project, row, values);
  if (values.has('explicit_permissions')) {
    project.documents.setPrivate(row, isTrue(values.get('explicit_permissions')));
  }
  return { status: 200, body: changedFolder(call, project, row) };
}

/** `POST …/files`. */
export async function postFile(call: Call): Promise<RouteReply> {
  const project = call.project(true);
  const fields = await readFields(call, 'file');
  const { values } = fields;
  const parent = parentRow(call, project, values.get('parent_id')) ?? ROOT_ROW;
  const uuid = text(values, 'upload_uuid');
  const name = text(values, 'name') ?? fields.dataName ?? usedUpload(call, project, uuid, false).filename;
  // The name is checked before the upload is consumed, so that a retry with another name can use the upload.
  const free = project.documents.freeName(parent, name, false, isTrue(values.get('unique_name')));
  const row = project.documents.createFile(parent, free, content(call, project, fields)!);
  describe(project, row, values);
  return { status: 201, body: call.renderer(project).file(row) };
}

/** `PATCH …/files/:id`: rename, move, describe, check out, add a version. */
export async function patchFile(call: Call): Promise<RouteReply> {
  const project = call.project(true);
  const row = changeableRow(call, project, 'file');
  const fields = await readFields(call, 'file');
  const { values } = fields;
  const addsVersion = values.has('upload_uuid') || fields.data !== undefined;
  if (addsVersion || values.has('checked_out_until')) refuseIfHeld(call, project, row);
  if (addsVersion && !fields.data) usedUpload(call, project, text(values, 'upload_uuid'), false);
  move(call, project, row, values);
  if (describe(project, row, values)) project.documents.touch(row);
  if (addsVersion) project.documents.addVersion(row, content(call, project, fields)!);
  if (values.has('checked_out_until')) {
    const until = text(values, 'checked_out_until');
    const seconds = until === undefined ? undefined : Math.floor(Date.parse(until) / 1000);
    if (seconds !== undefined && !(seconds > call.world.clock.seconds())) {
      throw fieldError(400, 'checked_out_until', 'must be in the future');
    }
    project.documents.checkOut(row, seconds === undefined ? undefined : { by: call.token.person, until: seconds });
  }
  return { status: 200, body: call.renderer(project).file(row) };
}

/** `POST …/file_versions?file_id`. */
export async function postFileVersion(call: Call): Promise<RouteReply> {
  const project = call.project(true);
  const fields = await readFields(call, 'file_version');
  const id = call.url.searchParams.get('file_id') ?? fields.values.get('file_id') ?? '';
  const row = changeableRow(call, project, 'file', Number(id));
  refuseIfHeld(call, project, row);
  const name = text(fields.values, 'name');
  if (name !== undefined && call.world.switches.is('version-name', 'renames')) {
    project.documents.change(row, { name });
  }
  const version = project.documents.addVersion(row, content(call, project, fields)!);
  const notes = text(fields.values, 'notes');
  if (notes !== undefined) project.documents.notes.set(version, notes);
  return { status: 201, body: call.renderer(project).version(row, version) };
}

/** `DELETE …/folders/:id`: to the recycle bin. */
export function deleteFolder(call: Call): RouteReply {
  const project = call.project(true);
  const row = changeableRow(call, project, 'folder');
  project.documents.recycle(row);
  const { switches } = call.world;
  const body = changedFolder(call, project, row);
  const childless = { has_children: false, has_children_files: false, has_children_folders: false };
  return deleted(
    call,
    switches.is('delete-reply', 'childless') ? { ...body, ...childless, folders: [], files: [] } : body,
  );
}

/** `DELETE …/files/:id`: to the recycle bin. */
export function deleteFile(call: Call): RouteReply {
  const project = call.project(true);
  const row = changeableRow(call, project, 'file');
  project.documents.recycle(row);
  return deleted(call, call.renderer(project).file(row));
}

const deleted = (call: Call, body: object): RouteReply => ({
  status: 200,
  body: call.world.switches.is('delete-reply', 'nothing') ? {} : body,
});

/** The row of the id in the path; throws 403 or 404 if the account may not change it. */
function changeableRow(call: Call, project: SimulatedProject, kind: 'file' | 'folder', id?: number): number {
  const row = visibleRow(call, project, kind, id);
  if (project.store.has(row, Flag.system | Flag.root | Flag.readOnly)) {
    throw call.error(403, 'This item is managed by the system and cannot be changed.');
  }
  return row;
}

/** Renames, moves and restores the item according to `name` and `parent_id`. */
function move(call: Call, project: SimulatedProject, row: number, values: Fields['values']): void {
  const { store } = project;
  const { switches } = call.world;
  const name = text(values, 'name');
  const parent = parentRow(call, project, values.get('parent_id'));
  const recycled = store.has(row, Flag.deleted | Flag.binned);
  const isRefused = parent === undefined ? switches.is('recycled-write', '404') : switches.is('restore', 'refused');
  if (recycled && isRefused) throw call.error(404, 'Not Found');
  if (name === undefined && parent === undefined) return;
  project.documents.change(row, {
    ...(name === undefined ? {} : { name }),
    ...(parent === undefined ? {} : { parent }),
  });
}

/** The folder of a `parent_id`; undefined if it is absent. For a missing folder, throws the status of the switch. */
function parentRow(call: Call, project: SimulatedProject, id: unknown): number | undefined {
  if (id === undefined || id === null || id === '') return undefined;
  const { store } = project;
  const { switches } = call.world;
  const row = project.ids.row(Number(id), 'folder');
  const hidden = Flag.gone | Flag.hidden | (switches.is('private-items', 'hidden') ? Flag.private : 0);
  if (row < 0 || store.has(row, hidden | Flag.deleted | Flag.binned | Flag.bin)) {
    throw call.error(switches.number('parent-missing'), 'The parent folder was not found');
  }
  if (store.has(row, Flag.readOnly)) throw call.error(403, 'This folder is managed by the system.');
  return row;
}

/** Throws the conflict when another person has the file checked out. */
function refuseIfHeld(call: Call, project: SimulatedProject, row: number): void {
  const { switches } = call.world;
  const holder = project.documents.holder(row, call.token.person);
  if (!holder || switches.is('account-is-admin', 'yes')) return;
  const { name } = call.world.person(holder.by);
  const message = `This file is checked out by ${name}`;
  const status = switches.number('checkout-conflict');
  if (status !== 409) throw call.error(status, message);
  const file = call.renderer(project).file(row);
  throw new ApiError(409, { errors: { base: [message] }, error_type: 'checked_out', file });
}

/** The content of the new version from the fields; throws if they have none. */
function content(call: Call, project: SimulatedProject, { values, data }: Fields): GivenFile {
  const by = call.token.person;
  const uuid = text(values, 'upload_uuid');
  const given = data ?? usedUpload(call, project, uuid, true).given!;
  const size = sizeOf(given);
  if (size === 0 && call.world.switches.is('empty-file', 'refused')) {
    throw fieldError(422, 'base', 'The file is empty');
  }
  return { size, content: call.world.contents.add(given), by };
}

function describe(project: SimulatedProject, row: number, values: Fields['values']): boolean {
  const description = text(values, 'description');
  if (description === undefined) return false;
  project.documents.descriptions.set(row, description);
  return true;
}

function text(values: Fields['values'], name: string): string | undefined {
  const value = values.get(name);
  return value === undefined || value === null || (value === '' && name !== 'name') ? undefined : String(value);
}

const isTrue = (value: unknown): boolean => value === true || /^(true|1)$/i.test(String(value ?? ''));

/** The folder in the reply to a write: with children, unless the switch makes the call's query flags apply. */
function changedFolder(call: Call, project: SimulatedProject, row: number): object {
  const { switches } = call.world;
  const shown = switches.is('folder-write-flags', 'obeyed') ? shownOf(call) : undefined;
  return call.renderer(project).folder(row, shown);
}
