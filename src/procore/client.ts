import { Failure, isFailure } from '../base/errors.js';
import type { CompanyId, ProjectId, RemoteId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import { type Company, type ProcoreAccount, type ProcoreProject, toAccount, toCompany, toProject } from './accounts.js';
import { type ApiTarget, ProcoreApi, type ProcoreApiOptions } from './api.js';
import { IndexCalls } from './index-calls.js';
import { type IndexForm, type IndexQuery, indexPath, rowsAsked } from './index-query.js';
import type { FolderListing, IndexPage, RemoteItem, RemoteVersion } from './items.js';
import { parseListing } from './listing.js';
import { convertRows, parseIndexPage, parseJson, rowsOf, toFile, toVersions } from './rows.js';
import { parcel, type TransferableBody, unpacked } from './transport/body.js';
import { isDamaged } from './transport/compression.js';
import { looksLikeJson } from './transport/retry.js';

export interface ProcoreClientOptions extends ProcoreApiOptions {
  /** The index that answered last; undefined: not known. */
  readonly index?: IndexForm | undefined;
  /** Is called when another index answers. */
  readonly indexChanged?: (form: IndexForm) => void;
}

/** A page of the flat index as it arrived, to be parsed elsewhere by `parseIndexPage(unpacked(body))`. */
export interface RawIndexPage {
  readonly body: TransferableBody;
  /** The `Total` header: rows over all pages. */
  readonly total: number | undefined;
  readonly page: number;
  /** The `Per-Page` header: the server may return fewer rows a page than requested. */
  readonly perPage: number;
  /** The server's `Date`, seconds since the epoch. */
  readonly serverTime: number;
  /** The index that answered. */
  readonly form: IndexForm;
}

/** A folder's reply as it arrived, to be parsed elsewhere by `parseListing(unpacked(body))`. */
export type RawListing = Pick<RawIndexPage, 'body' | 'serverTime'>;

/** Rows a page of `/companies` and `/projects`: whether the API permits more than 100 is not known. */
const LIST_PAGE = 100;

/**
 * Procore's REST API, read side. Every method rejects with a Failure (`signed-out`, `app-not-installed`,
 * `tool-not-permitted`, `not-permitted`, `company-needed`, `gone`, `request-refused`, `server-error`, `bad-reply`,
 * `unreachable`, `budget-exhausted`, or one of the token's) or with the reason of the call's signal.
 */
export class ProcoreClient {
  /** For other calls as the same account. */
  readonly api: ProcoreApi;
  readonly #index: IndexCalls;
  readonly #companyId: CompanyId | undefined;

  constructor(options: ProcoreClientOptions) {
    this.api = new ProcoreApi(options);
    this.#index = new IndexCalls(options.index ?? 1, options.indexChanged, options.log, this.api.clock);
    this.#companyId = options.companyId;
  }

  /** The account that the token belongs to. 1 call. */
  async me(options: CallOptions): Promise<ProcoreAccount> {
    const { json, call } = await this.#json('/rest/v1.0/me', {}, options);
    return this.api.understand(call, () => toAccount(json));
  }

  /** The companies that the account sees, page by page; usually 1 call. */
  companies(options: CallOptions): AsyncGenerator<Company[]> {
    return this.#pages('/rest/v1.0/companies?', {}, toCompany, options);
  }

  /** The projects of a company that the account sees, page by page; 1 call for each 100. */
  projects(companyId: CompanyId, options: CallOptions): AsyncGenerator<ProcoreProject[]> {
    const path = `/rest/v1.0/projects?company_id=${companyId}&`;
    return this.#pages(path, { company: companyId }, toProject, options);
  }

  /** The project's root folder with its children. 1 call. */
  rootFolder(projectId: ProjectId, options: CallOptions): Promise<FolderListing> {
    return this.#folder(listingPath(projectId), projectId, undefined, options);
  }

  /** The project's root folder without its children. 1 call, a few hundred bytes. */
  async rootOnly(projectId: ProjectId, options: CallOptions): Promise<RemoteItem> {
    const path = `/rest/v1.0/folders?project_id=${projectId}&exclude_folders=true&exclude_files=true`;
    return (await this.#folder(path, projectId, undefined, options)).folder;
  }

  /** One folder with its children. 1 call, whatever its size. */
  folder(projectId: ProjectId, id: RemoteId, options: CallOptions): Promise<FolderListing> {
    return this.#folder(listingPath(projectId, id), projectId, id, options);
  }

  /** One folder with its children, or the project's root without an id, not yet parsed. 1 call. */
  async folderRaw(projectId: ProjectId, id: RemoteId | undefined, options: CallOptions): Promise<RawListing> {
    const { reply } = await this.#get(
      listingPath(projectId, id),
      { project: projectId, subject: subjectOf(id) },
      options,
    );
    return { body: parcel(reply.body), serverTime: this.api.serverTime(reply) };
  }

  /** One file with its current version. 1 call. */
  async file(projectId: ProjectId, id: RemoteId, options: CallOptions): Promise<RemoteItem> {
    return (await this.fileNow(projectId, id, options)).item;
  }

  /** As `file`, with the server's time of the reply, seconds since the epoch. */
  async fileNow(
    projectId: ProjectId,
    id: RemoteId,
    options: CallOptions,
  ): Promise<{ readonly item: RemoteItem; readonly serverTime: number }> {
    const path = `/rest/v1.0/files/${id}?project_id=${projectId}&show_latest_version_only=true`;
    const { json, call, reply } = await this.#json(path, { project: projectId, subject: `file ${id}` }, options);
    return { item: this.api.understand(call, () => toFile(json)), serverTime: this.api.serverTime(reply) };
  }

  /** Every version of a file, with the URLs of their bytes. 1 call. */
  async versions(projectId: ProjectId, id: RemoteId, options: CallOptions): Promise<RemoteVersion[]> {
    const path = `/rest/v1.0/files/${id}?project_id=${projectId}`;
    const { json, call } = await this.#json(path, { project: projectId, subject: `file ${id}` }, options);
    return this.api.understand(call, () => toVersions(json));
  }

  /** One page of the flat index. 1 call. */
  async indexPage(projectId: ProjectId, query: IndexQuery, options: CallOptions): Promise<IndexPage> {
    const { body, ...head } = await this.indexRaw(projectId, query, options);
    return { ...head, ...parseIndexPage(unpacked(body)) };
  }

  /** One page of the flat index, not yet parsed. 1 call, and 1 more when the index that answered last is denied. */
  async indexRaw(projectId: ProjectId, query: IndexQuery, options: CallOptions): Promise<RawIndexPage> {
    const { form, made } = await this.#index.make(projectId, (form) =>
      this.#get(indexPath(projectId, query, form, this.#companyId), { project: projectId }, options),
    );
    const { body, headers } = made.reply;
    const asked = rowsAsked(query, form);
    return {
      body: parcel(body),
      total: numberOf(headers.total),
      page: query.page,
      perPage: Math.max(1, Math.min(asked, numberOf(headers['per-page']) ?? asked)),
      serverTime: this.api.serverTime(made.reply),
      form,
    };
  }

  /** Aborts the calls in progress and closes the connections. */
  close(): Promise<void> {
    return this.api.close();
  }

  async #folder(
    path: string,
    project: ProjectId,
    id: RemoteId | undefined,
    options: CallOptions,
  ): Promise<FolderListing> {
    const understand = (body: Buffer, call: string): Pick<FolderListing, 'folder' | 'children' | 'bad'> => {
      const { folder, children, bad } = parseListing(body, this.api.host, call);
      return { folder, children: [...children], bad };
    };
    const { understood, reply } = await this.#read(path, { project, subject: subjectOf(id) }, options, understand);
    return { ...understood, serverTime: this.api.serverTime(reply) };
  }

  async *#pages<T>(path: string, target: ApiTarget, convert: (row: unknown) => T, options: CallOptions) {
    for (let page = 1, seen = 0; ; page++) {
      const { json, call, reply } = await this.#json(`${path}page=${page}&per_page=${LIST_PAGE}`, target, options);
      const rows = rowsOf(json, this.api.host, call.label);
      const { items, bad } = convertRows(rows, convert);
      for (const row of bad) this.api.log.warn({ call: call.label, row }, 'a row was not understood');
      yield items;
      seen += rows.length;
      const total = numberOf(reply.headers.total);
      if (rows.length === 0 || (total === undefined ? rows.length < LIST_PAGE : seen >= total)) return;
    }
  }

  async #json(path: string, target: ApiTarget, options: CallOptions) {
    const understand = (body: Buffer, call: string): unknown => parseJson(body, this.api.host, call);
    const { understood, ...rest } = await this.#read(path, target, options, understand);
    return { json: understood, ...rest };
  }

  async #read<T>(path: string, target: ApiTarget, options: CallOptions, understand: (body: Buffer, call: string) => T) {
    for (let again = true; ; again = false) {
      const { reply, call } = await this.#get(path, target, options);
      try {
        return { reply, call, understood: understand(await reply.body.read(), call.label) };
      } catch (error) {
        // A truncated body that looks complete: rare and transient.
        const isBroken = isFailure(error) && error.cause instanceof SyntaxError && looksLikeJson(reply.body);
        if (again && (isBroken || isDamaged(error))) continue;
        throw isFailure(error) ? error : new Failure('bad-reply', { host: this.api.host, call: call.label }, error);
      }
    }
  }

  #get(path: string, target: ApiTarget, options: CallOptions) {
    return this.api.send({ method: 'GET', path }, target, options);
  }
}

/** Path of the listing; without an id, that of the root. */
const listingPath = (project: ProjectId, id?: RemoteId): string =>
  `/rest/v1.0/folders${id === undefined ? '' : `/${id}`}?project_id=${project}&show_latest_file_version_only=true`;

const subjectOf = (id: RemoteId | undefined): string => (id === undefined ? 'the root folder' : `folder ${id}`);

function numberOf(header: string | string[] | undefined): number | undefined {
  const number = Number.parseInt(String(header ?? ''), 10);
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
