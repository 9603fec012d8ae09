import { type Clock, systemClock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import type { CompanyId, ProjectId, RemoteId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { Budget } from '../budget/budget.js';
import type { CallOptions } from '../budget/calls.js';
import type { TokenSource } from '../connections/token-source.js';
import { type Account, type Company, type Project, toAccount, toCompany, toProject } from './accounts.js';
import { type IndexQuery, indexPath } from './index-query.js';
import type { FolderListing, IndexPage, RemoteItem, RemoteVersion } from './items.js';
import { type FailureContext, replyFailure } from './reply-error.js';
import { convertRows, parseIndexPage, parseJson, rowsOf, toFile, toFolder, toVersions } from './rows.js';
import type { CallContext, Reply } from './transport/exchange.js';
import { Transport } from './transport/transport.js';

export interface ProcoreClientOptions {
  /** `https://api.procore.com` */
  readonly apiUrl: string;
  /** The connection's name, for messages. */
  readonly name: string;
  /** For the header `Procore-Company-Id` of every call; service accounts cannot do without. */
  readonly companyId: CompanyId | undefined;
  readonly tokens: TokenSource;
  readonly budget: Budget;
  readonly log: Log;
  readonly clock?: Clock;
}

/** A page of the flat index as it arrived, to be parsed elsewhere by `parseIndexPage(body)`. */
export interface RawIndexPage {
  /** Transferable to a worker; nothing else refers to it. */
  readonly body: ArrayBuffer;
  /** The `Total` header: rows over all pages. */
  readonly total: number | undefined;
  readonly page: number;
  readonly perPage: number;
  /** The server's `Date`, seconds since the epoch. */
  readonly serverTime: number;
}

interface Target {
  readonly project?: ProjectId;
  readonly company?: CompanyId | undefined;
  /** What a 404 is about. */
  readonly subject?: string;
}

/** Rows a page of `/companies` and `/projects`. */
const LIST_PAGE = 1000;

/**
 * Procore's REST API, read side. Every method rejects with a Failure (`signed-out`, `app-not-installed`,
 * `tool-not-permitted`, `not-permitted`, `company-needed`, `gone`, `request-refused`, `server-error`, `bad-reply`,
 * `unreachable`, `budget-exhausted`, or one of the token's) or with the reason of the call's signal.
 */
export class ProcoreClient {
  readonly #options: ProcoreClientOptions;
  readonly #clock: Clock;
  readonly #transport: Transport;
  readonly #origin: string;
  readonly #host: string;

  constructor(options: ProcoreClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const url = new URL(options.apiUrl);
    this.#origin = url.origin;
    this.#host = url.host;
    this.#transport = new Transport({ ...options, clock: this.#clock });
  }

  /** Who the token belongs to. 1 call. */
  async me(options: CallOptions): Promise<Account> {
    const { json, call } = await this.#json('/rest/v1.0/me', {}, options);
    return this.#understand(call, () => toAccount(json));
  }

  /** The companies that the account sees, page by page; mostly 1 call. */
  companies(options: CallOptions): AsyncGenerator<Company[]> {
    return this.#pages('/rest/v1.0/companies?', {}, toCompany, options);
  }

  /** The projects of a company that the account sees, page by page; 1 call for each 1,000. */
  projects(companyId: CompanyId, options: CallOptions): AsyncGenerator<Project[]> {
    const path = `/rest/v1.0/projects?company_id=${companyId}&`;
    return this.#pages(path, { company: companyId }, toProject, options);
  }

  /** The project's root folder with its children. 1 call. */
  rootFolder(projectId: ProjectId, options: CallOptions): Promise<FolderListing> {
    const flags = 'show_latest_file_version_only=true';
    return this.#folder(`/rest/v1.0/folders?project_id=${projectId}&${flags}`, projectId, 'the root folder', options);
  }

  /** The project's root folder without its children. 1 call, a few hundred bytes. */
  async rootOnly(projectId: ProjectId, options: CallOptions): Promise<RemoteItem> {
    const path = `/rest/v1.0/folders?project_id=${projectId}&exclude_folders=true&exclude_files=true`;
    return (await this.#folder(path, projectId, 'the root folder', options)).folder;
  }

  /** One folder with its children. 1 call, whatever its size. */
  folder(projectId: ProjectId, id: RemoteId, options: CallOptions): Promise<FolderListing> {
    const path = `/rest/v1.0/folders/${id}?project_id=${projectId}&show_latest_file_version_only=true`;
    return this.#folder(path, projectId, `folder ${id}`, options);
  }

  /** One file with its current version. 1 call. */
  async file(projectId: ProjectId, id: RemoteId, options: CallOptions): Promise<RemoteItem> {
    const path = `/rest/v1.0/files/${id}?project_id=${projectId}&show_latest_version_only=true`;
    const { json, call } = await this.#json(path, { project: projectId, subject: `file ${id}` }, options);
    return this.#understand(call, () => toFile(json));
  }

  /** Every version of a file, with the URLs of their bytes. 1 call. */
  async versions(projectId: ProjectId, id: RemoteId, options: CallOptions): Promise<RemoteVersion[]> {
    const path = `/rest/v1.0/files/${id}?project_id=${projectId}`;
    const { json, call } = await this.#json(path, { project: projectId, subject: `file ${id}` }, options);
    return this.#understand(call, () => toVersions(json));
  }

  /** One page of the flat index. 1 call. */
  async indexPage(projectId: ProjectId, query: IndexQuery, options: CallOptions): Promise<IndexPage> {
    const { body, ...head } = await this.indexRaw(projectId, query, options);
    return { ...head, ...parseIndexPage(body) };
  }

  /** One page of the flat index, not yet parsed. 1 call. */
  async indexRaw(projectId: ProjectId, query: IndexQuery, options: CallOptions): Promise<RawIndexPage> {
    const { reply } = await this.#call('GET', indexPath(projectId, query), { project: projectId }, options);
    const { body, headers } = reply;
    return {
      body: body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer,
      total: numberOf(headers.total),
      page: query.page,
      perPage: query.perPage,
      serverTime: this.#serverTime(reply),
    };
  }

  /** Ends what is under way and closes the connections. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  async #folder(path: string, project: ProjectId, subject: string, options: CallOptions): Promise<FolderListing> {
    const { json, call, reply } = await this.#json(path, { project, subject }, options);
    const { folders, files } = (json ?? {}) as { folders?: unknown; files?: unknown };
    const folder = this.#understand(call, () => toFolder(json));
    const below = convertRows(Array.isArray(folders) ? folders : [], toFolder);
    const filesBelow = convertRows(Array.isArray(files) ? files : [], toFile);
    return {
      folder,
      children: [...below.items, ...filesBelow.items],
      bad: [...below.bad, ...filesBelow.bad],
      serverTime: this.#serverTime(reply),
    };
  }

  async *#pages<T>(path: string, target: Target, convert: (row: unknown) => T, options: CallOptions) {
    for (let page = 1, seen = 0; ; page++) {
      const { json, call, reply } = await this.#json(`${path}page=${page}&per_page=${LIST_PAGE}`, target, options);
      const rows = rowsOf(json, this.#host, call.label);
      const { items, bad } = convertRows(rows, convert);
      for (const row of bad) this.#options.log.warn({ call: call.label, row }, 'a row was not understood');
      yield items;
      seen += rows.length;
      const total = numberOf(reply.headers.total);
      if (rows.length === 0 || (total === undefined ? rows.length < LIST_PAGE : seen >= total)) return;
    }
  }

  async #json(path: string, target: Target, options: CallOptions) {
    const { reply, call } = await this.#call('GET', path, target, options);
    return { reply, call, json: parseJson(reply.body, this.#host, call.label) };
  }

  async #call(method: 'GET', path: string, target: Target, options: CallOptions) {
    const call: CallContext = {
      ...options,
      label: `${method} ${path.replace(/\?.*/, '')}`,
      idempotent: method === 'GET',
      companyId: target.company ?? this.#options.companyId,
    };
    const headers = { accept: 'application/json', 'user-agent': 'procorefs' };
    let reply: Reply;
    try {
      reply = await this.#transport.send({ origin: this.#origin, path, method, headers, call });
    } catch (error) {
      if (options.signal?.aborted || isFailure(error)) throw error;
      throw new Failure('unreachable', { host: this.#host }, error);
    }
    if (reply.status >= 300) throw replyFailure(reply, call, this.#context(target));
    return { reply, call };
  }

  #context(target: Target): FailureContext {
    return { host: this.#host, connection: this.#options.name, project: target.project, subject: target.subject };
  }

  #understand<T>(call: CallContext, convert: () => T): T {
    try {
      return convert();
    } catch (error) {
      throw new Failure('bad-reply', { host: this.#host, call: call.label }, error);
    }
  }

  #serverTime(reply: Reply): number {
    const date = Date.parse(String(reply.headers.date ?? ''));
    return Math.floor((Number.isNaN(date) ? this.#clock.now() : date) / 1000);
  }
}

function numberOf(header: string | string[] | undefined): number | undefined {
  const number = Number.parseInt(String(header ?? ''), 10);
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
