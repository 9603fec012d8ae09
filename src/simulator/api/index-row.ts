import { timestamp } from '../clock.js';
import { people } from '../generate/people.js';
import type { SimulatedProject } from '../project.js';
import { Flag } from '../store/flag.js';
import type { World } from '../world.js';
import { fileType } from './file-types.js';
import type { Renderer } from './render.js';

const json = (text: string): string => JSON.stringify(text);
const person = people.map(({ id, login, name }) => JSON.stringify({ id, login, name }));

/**
 * Writes the rows of the flat index directly as JSON text: a page has thousands of rows with fifty fields, and objects
 * would take several times as long.
 */
export class IndexRowWriter {
  readonly #project: SimulatedProject;
  readonly #renderer: Renderer;
  readonly #creators: readonly string[];
  readonly #both: boolean;
  readonly #isV2: boolean;
  readonly #folders = new Map<number, string>();
  readonly #url: (version: number) => string;

  /** @param isV2 ids are strings, and there is no `name_with_path` */
  constructor(world: World, project: SimulatedProject, renderer: Renderer, isV2 = false) {
    this.#project = project;
    this.#isV2 = isV2;
    this.#renderer = renderer;
    this.#both = world.switches.is('index-other-part', 'null');
    this.#url = world.versionUrls(project.index);
    const company_name = world.companyName(project.company);
    this.#creators = people.map(({ id, login, name }) =>
      JSON.stringify({ id, company_name, locale: 'en', login, name }),
    );
  }

  /** `extended`: includes the file's current version or the folder's content. */
  row(row: number, extended: boolean): string {
    const { store, ids } = this.#project;
    const renderer = this.#renderer;
    const flags = store.flags.get(row);
    const isFolder = (flags & Flag.folder) !== 0;
    const name = json(store.name(row));
    const normal =
      `{"id":${this.#id(ids.item(row))},"created_at":"${timestamp(store.created.get(row))}",` +
      `"created_by":${this.#creators[store.by.get(row)]},"custom_fields":{},` +
      `"document_type":"${isFolder ? 'folder' : 'file'}","is_deleted":${renderer.deleted(row)},` +
      `"is_recycle_bin":${(flags & Flag.bin) !== 0},"name":${name},` +
      `${this.#isV2 ? '' : `"name_with_path":${this.#path(row, name)},`}"parent_id":${this.#id(renderer.parentId(row))},` +
      `"private":${(flags & Flag.private) !== 0},"read_only":${(flags & Flag.readOnly) !== 0},` +
      `"updated_at":"${timestamp(store.updated.get(row))}"`;
    if (!extended) return `${normal}}`;
    const parent = store.parent.get(row);
    const more = `${normal},"is_tracked":false,"private_parent":${parent >= 0 && store.has(parent, Flag.private)},"tracked_folder":null`;
    if (!isFolder) return `${more},"file":${this.#file(row, name)}${this.#both ? ',"children":null' : ''}}`;
    return `${more}${this.#both ? ',"file":null' : ''},"children":${JSON.stringify(renderer.hasChildren(row))}}`;
  }

  #id(id: number | null): string {
    return this.#isV2 && id !== null ? `"${id}"` : String(id);
  }

  /** The path as JSON text; the path of the folder is cached while the page is written. */
  #path(row: number, name: string): string {
    const { store } = this.#project;
    const parent = store.parent.get(row);
    if (parent < 0 || store.has(row, Flag.deleted | Flag.binned)) return json(this.#renderer.nameWithPath(row));
    let prefix = this.#folders.get(parent);
    if (prefix === undefined) {
      prefix = `${json(this.#renderer.nameWithPath(parent)).slice(0, -1)}/`;
      this.#folders.set(parent, prefix);
    }
    return prefix + name.slice(1);
  }

  #file(row: number, name: string): string {
    const { store, ids, documents } = this.#project;
    const version = store.version.get(row);
    const url = this.#url(version);
    const checkOut = documents.checkedOut(row);
    const notes = documents.notes.get(version);
    return (
      `{"checked_out_by":${checkOut ? person[checkOut.by] : null},` +
      `"checked_out_until":${checkOut ? `"${timestamp(checkOut.until)}"` : null},` +
      `"current_version":{"id":${this.#id(ids.version(version))},"notes":${notes === undefined ? null : json(notes)},` +
      `"url":"${url}","size":${store.versionSize.get(version)},` +
      `"created_at":"${timestamp(store.versionCreated.get(version))}","number":${store.versionNumber.get(version)},` +
      `"created_by":${person[store.versionBy.get(version)]},` +
      `"prostore_file":{"id":${this.#id(ids.prostore(version))},"name":${name},"url":"${url}","filename":${name}},` +
      `"file_id":${this.#id(ids.item(row))}},"description":${json(documents.descriptions.get(row) ?? 'None')},` +
      `"file_type":"${fileType(store.name(row))}"}`
    );
  }
}
