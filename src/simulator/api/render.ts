import { timestamp } from '../clock.js';
import { people } from '../generate/people.js';
import type { SimulatedProject } from '../project.js';
import { Flag } from '../store/flag.js';
import { ROOT_ROW } from '../store/items.js';
import type { World } from '../world.js';
import { fileType } from './file-types.js';

export interface ShownFields {
  readonly folders: boolean;
  readonly files: boolean;
  readonly latestVersionOnly: boolean;
}

const ALL: ShownFields = { folders: true, files: true, latestVersionOnly: false };

/** Turns items into the records of the API, with all keys in the order of recorded replies. */
export class Renderer {
  readonly #world: World;
  readonly #project: SimulatedProject;
  #urls: ((version: number) => string) | undefined;

  constructor(world: World, project: SimulatedProject) {
    this.#world = world;
    this.#project = project;
  }

  /** A folder with one level of children. */
  folder(row: number, show: ShownFields = ALL): object {
    const { folders, files } = show;
    const children = this.children(row);
    const { store } = this.#project;
    return this.#folder(
      row,
      folders ? children.filter((child) => store.isFolder(child)).map((child) => this.#folder(child, [], [])) : [],
      files
        ? children.filter((child) => !store.isFolder(child)).map((child) => this.file(child, show.latestVersionOnly))
        : [],
    );
  }

  file(row: number, latestVersionOnly = false): object {
    const { store, ids, documents } = this.#project;
    const versions = [...store.versionsOf(row)];
    const shown = latestVersionOnly ? versions.slice(0, 1) : versions;
    if (this.#world.switches.is('version-order', 'oldest-first')) shown.reverse();
    const checkOut = documents.checkedOut(row);
    return {
      id: ids.item(row),
      custom_fields: {},
      name: store.name(row),
      parent_id: this.parentId(row),
      size: store.versionSize.get(store.version.get(row)),
      description: documents.descriptions.get(row) ?? 'None',
      updated_at: timestamp(store.updated.get(row)),
      created_at: timestamp(store.created.get(row)),
      name_with_path: this.nameWithPath(row),
      file_versions: shown.map((version) => this.version(row, version)),
      file_type: fileType(store.name(row)),
      is_deleted: this.deleted(row),
      checked_out_by: checkOut ? this.#person(checkOut.by) : null,
      checked_out_until: checkOut ? timestamp(checkOut.until) : null,
      is_tracked: false,
      tracked_folder: null,
      private: store.has(row, Flag.private),
      legacy_id: ids.legacy(row),
    };
  }

  version(file: number, version: number): object {
    const { store, ids, documents } = this.#project;
    const url = this.#url(version);
    return {
      id: ids.version(version),
      notes: documents.notes.get(version) ?? null,
      url,
      size: store.versionSize.get(version),
      created_at: timestamp(store.versionCreated.get(version)),
      number: store.versionNumber.get(version),
      created_by: this.#person(store.versionBy.get(version)),
      file_id: ids.item(file),
      prostore_file: this.#prostore(version, store.name(file), url),
    };
  }

  /** Rows of the children that a listing of the folder shows. */
  children(row: number): number[] {
    const { store, documents } = this.#project;
    const rows = row === documents.bin ? [...store.recycled] : [...store.children(row)];
    const showRecycled = row === documents.bin || this.#world.switches.is('recycled-in-folders', 'included');
    const hidden = Flag.hidden | (this.#world.switches.is('private-items', 'hidden') ? Flag.private : 0);
    return rows.filter((child) => !store.has(child, hidden) && (showRecycled || !store.has(child, Flag.deleted)));
  }

  #folder(row: number, folders: readonly object[], files: readonly object[]): object {
    const { store, ids } = this.#project;
    return {
      id: ids.item(row),
      custom_fields: {},
      name: store.name(row),
      name_with_path: this.nameWithPath(row),
      parent_id: this.parentId(row),
      updated_at: timestamp(store.updated.get(row)),
      is_deleted: this.deleted(row),
      is_recycle_bin: store.has(row, Flag.bin),
      is_tracked: false,
      tracked_folder: null,
      ...this.hasChildren(row),
      folders,
      files,
      private: store.has(row, Flag.private),
      read_only:
        store.has(row, Flag.readOnly) ||
        (store.has(row, Flag.root) && this.#world.switches.is('project-access', 'read')),
    };
  }

  hasChildren(row: number): object {
    const { store, documents } = this.#project;
    const recycled = row === documents.bin ? [...store.recycled] : [];
    const files = store.fileCount.get(row) > 0 || recycled.some((child) => !store.isFolder(child));
    const folders = store.folderCount.get(row) > 0 || recycled.some((child) => store.isFolder(child));
    return { has_children: files || folders, has_children_files: files, has_children_folders: folders };
  }

  deleted(row: number): boolean {
    const below = this.#world.switches.is('recycled-subtree', 'deleted') ? Flag.binned : 0;
    return this.#project.store.has(row, Flag.deleted | below);
  }

  parentId(row: number): number | null {
    const { store, ids, documents } = this.#project;
    if (row === ROOT_ROW) return null;
    return ids.item(this.#inBin(row) ? documents.bin : store.parent.get(row));
  }

  nameWithPath(row: number): string {
    const { store, name, documents } = this.#project;
    if (row === ROOT_ROW) return name;
    if (this.#inBin(row)) return `${name}/${store.name(documents.bin)}/${store.name(row)}`;
    const below = store.has(row, Flag.binned) && this.#world.switches.is('recycled-parent', 'bin');
    return below ? `${this.nameWithPath(store.parent.get(row))}/${store.name(row)}` : `${name}/${store.path(row)}`;
  }

  #inBin(row: number): boolean {
    return this.#project.store.has(row, Flag.deleted) && this.#world.switches.is('recycled-parent', 'bin');
  }

  #prostore(version: number, name: string, url: string): object {
    return { id: this.#project.ids.prostore(version), name, url, filename: name };
  }

  #person(index: number): object {
    const { id, login, name } = people[index]!;
    return { id, login, name };
  }

  #url(version: number): string {
    this.#urls ??= this.#world.versionUrls(this.#project.index);
    return this.#urls(version);
  }
}
