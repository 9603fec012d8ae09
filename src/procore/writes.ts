import { Failure, isFailure } from '../base/errors.js';
import type { ProjectId, RemoteId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ApiReply, ApiRequest, ProcoreApi } from './api.js';
import type { RemoteItem, RemoteVersion } from './items.js';
import { folderAlone } from './large-folder.js';
import { parseJson, toFile, toVersion } from './rows.js';
import type { Body } from './transport/body.js';
import { type WriteContext, writeFailure } from './write-error.js';

export interface NewFolder {
  readonly parentId: RemoteId;
  readonly name: string;
}

export interface NewFile extends NewFolder {
  /** Uuid of a complete upload; the call uses it up. */
  readonly uploadUuid: string;
  readonly description?: string;
}

export interface FolderChange {
  readonly name?: string;
  readonly parentId?: RemoteId;
}

export interface FileChange extends FolderChange {
  /** Uuid of a complete upload, for a new version. */
  readonly uploadUuid?: string;
  /** Seconds since the epoch, server time; null checks the file in. */
  readonly checkedOutUntil?: number | null;
}

export interface NewVersion {
  readonly uploadUuid: string;
  /** Shown with the version in Procore. */
  readonly notes: string;
}

export interface Written {
  /**
   * The item as the server now has it, perhaps with a cleaned name. Undefined where the reply to a deletion does not
   * contain it.
   */
  readonly item: RemoteItem | undefined;
  /** The server's `Date`, seconds since the epoch. */
  readonly serverTime: number;
}

export interface WrittenItem extends Written {
  readonly item: RemoteItem;
}

export interface WrittenVersion {
  readonly version: RemoteVersion;
  readonly serverTime: number;
}

const FILE = { type: 'file', existing: true } as const;
const FOLDER = { type: 'folder', existing: true } as const;

/**
 * Changes to a project's documents, 1 call each. A call is not repeated once the server may have done it: then the
 * Failure is `reply-lost`, and the caller must look before it repeats the call. The same doubt remains after a call
 * that ended by its signal. Every other Failure means that nothing was changed: `name-taken`, `name-refused`,
 * `checked-out` (details `holder`, `until`), `not-permitted`, `gone` (details `missing`: `item`, `parent` or `either`),
 * `upload-unknown` (the upload is unknown, not complete or used), `content-refused`, `request-refused`, `server-error`,
 * `unreachable`, `budget-exhausted`, `signed-out`, `app-not-installed`, or one of the token's.
 */
export class ProcoreWrites {
  readonly #api: ProcoreApi;

  constructor(api: ProcoreApi) {
    this.#api = api;
  }

  createFolder(project: ProjectId, folder: NewFolder, options: CallOptions): Promise<WrittenItem> {
    const { parentId, name } = folder;
    const body = { folder: { name, parent_id: parentId } };
    const context = { ...FOLDER, what: `folder "${name}"`, name, parent: parentId, existing: false };
    return this.#item('POST', '/rest/v1.0/folders', project, body, context, folderAlone, options);
  }

  /** The name must be free: it is never changed to avoid a conflict. */
  createFile(project: ProjectId, file: NewFile, options: CallOptions): Promise<WrittenItem> {
    const { parentId, name, uploadUuid, description } = file;
    const body = { file: { parent_id: parentId, name, upload_uuid: uploadUuid, description } };
    const context = {
      ...FILE,
      what: `file "${name}"`,
      name,
      parent: parentId,
      existing: false,
      brings: 'upload',
    } as const;
    return this.#item('POST', '/rest/v1.0/files', project, body, context, asFile, options);
  }

  /** Renames, moves, adds a version, checks out or in: all given changes in one call. */
  updateFile(project: ProjectId, id: RemoteId, change: FileChange, options: CallOptions): Promise<WrittenItem> {
    const { name, parentId, uploadUuid, checkedOutUntil: until } = change;
    const body = {
      file: {
        name,
        parent_id: parentId,
        upload_uuid: uploadUuid,
        checked_out_until: typeof until === 'number' ? stamp(until) : until,
      },
    };
    const brings = uploadUuid === undefined ? {} : ({ brings: 'upload' } as const);
    const context = { ...FILE, what: `file ${id}`, name, parent: parentId, ...brings };
    return this.#item('PATCH', `/rest/v1.0/files/${id}`, project, body, context, asFile, options);
  }

  updateFolder(project: ProjectId, id: RemoteId, change: FolderChange, options: CallOptions): Promise<WrittenItem> {
    const { name, parentId } = change;
    const body = { folder: { name, parent_id: parentId } };
    const context = { ...FOLDER, what: `folder ${id}`, name, parent: parentId };
    return this.#item('PATCH', `/rest/v1.0/folders/${id}`, project, body, context, folderAlone, options);
  }

  /** Adds a version with a note, which `updateFile` does not support. The file keeps its name. */
  async createVersion(
    project: ProjectId,
    fileId: RemoteId,
    version: NewVersion,
    options: CallOptions,
  ): Promise<WrittenVersion> {
    const request = {
      method: 'POST',
      path: `/rest/v1.0/file_versions?project_id=${project}&file_id=${fileId}`,
      body: { file_version: { upload_uuid: version.uploadUuid, notes: version.notes } },
    } as const;
    const reply = await this.#send(request, project, { ...FILE, what: `file ${fileId}`, brings: 'upload' }, options);
    return { version: await this.#made(reply, asVersion), serverTime: this.#api.serverTime(reply.reply) };
  }

  /** Moves a file to the recycle bin. */
  deleteFile(project: ProjectId, id: RemoteId, options: CallOptions): Promise<Written> {
    const context = { ...FILE, what: `file ${id}` };
    return this.#delete(`/rest/v1.0/files/${id}`, project, context, asFile, options);
  }

  /** Moves a folder to the recycle bin, with everything in it. */
  deleteFolder(project: ProjectId, id: RemoteId, options: CallOptions): Promise<Written> {
    const context = { ...FOLDER, what: `folder ${id}` };
    return this.#delete(`/rest/v1.0/folders/${id}`, project, context, folderAlone, options);
  }

  async #item(
    method: 'POST' | 'PATCH',
    path: string,
    project: ProjectId,
    body: object,
    context: WriteContext,
    convert: Convert<RemoteItem>,
    options: CallOptions,
  ): Promise<WrittenItem> {
    const request = { method, path: `${path}?project_id=${project}${alone(context)}`, body };
    const reply = await this.#send(request, project, context, options);
    return { item: await this.#made(reply, convert), serverTime: this.#api.serverTime(reply.reply) };
  }

  async #delete(
    path: string,
    project: ProjectId,
    context: WriteContext,
    convert: Convert<RemoteItem>,
    options: CallOptions,
  ): Promise<Written> {
    const request = { method: 'DELETE', path: `${path}?project_id=${project}${alone(context)}` } as const;
    const { reply } = await this.#send(request, project, context, options);
    let item: RemoteItem | undefined;
    try {
      item = await convert(reply.body, this.#api.host, context.what);
    } catch {
      // The item is deleted, whatever the body of the reply contains.
    }
    return { item, serverTime: this.#api.serverTime(reply) };
  }

  async #send(request: ApiRequest, project: ProjectId, context: WriteContext, options: CallOptions): Promise<ApiReply> {
    try {
      return await this.#api.send(request, { project, subject: context.what }, options);
    } catch (error) {
      throw writeFailure(error, context);
    }
  }

  /**
   * The created item. A reply that cannot be parsed counts as lost: the change was made, but its result is not known.
   */
  async #made<T>({ reply, call }: ApiReply, convert: Convert<T>): Promise<T> {
    const { host } = this.#api;
    try {
      return await convert(reply.body, host, call.label);
    } catch (error) {
      const unclear = isFailure(error) ? error : new Failure('bad-reply', { host, call: call.label }, error);
      if (!isFailure(unclear, 'bad-reply')) throw unclear;
      throw new Failure('reply-lost', { host, call: call.label, status: reply.status }, unclear);
    }
  }
}

/** Converts the body of a reply. @throws Failure `bad-reply`, or any error where a row does not fit */
type Convert<T> = (body: Body, host: string, call: string) => T | Promise<T>;

const asFile: Convert<RemoteItem> = (body, host, call) => toFile(parseJson(body.bytes, host, call));
const asVersion: Convert<RemoteVersion> = (body, host, call) => toVersion(parseJson(body.bytes, host, call));

/** Query parameters that omit a folder's content from the reply, as far as the server supports them. */
const alone = ({ type }: WriteContext): string => (type === 'folder' ? '&exclude_folders=true&exclude_files=true' : '');

const stamp = (seconds: number): string => new Date(Math.floor(seconds) * 1000).toISOString().replace('.000Z', 'Z');
