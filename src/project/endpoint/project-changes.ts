import { Failure, isFailure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import { childPath, parentOf } from '../../endpoints/paths.js';
import type { Content, WriteOptions } from '../../endpoints/target.js';
import type { EndpointItem } from '../../jobs/endpoint.js';
import type { LateCall } from '../../outbox/intents/late-calls.js';
import type { Written } from '../../procore/writes.js';
import { JobUploads } from './job-uploads.js';
import { once } from './once.js';
import type { ProcoreEndpointOptions, ProjectAccess, ProjectTree } from './project-tree.js';

/** What all changes of a project have in common that a job makes. */
export class ProjectChanges {
  readonly #access: ProjectAccess;
  readonly #options: ProcoreEndpointOptions;
  readonly #tree: ProjectTree;
  readonly #root: string;
  readonly #uploads: JobUploads;

  /** @param root for messages */
  constructor(access: ProjectAccess, options: ProcoreEndpointOptions, tree: ProjectTree, root: string) {
    this.#access = access;
    this.#options = options;
    this.#tree = tree;
    this.#root = root;
    this.#uploads = new JobUploads(access.uploads, access.project, options.uploads);
  }

  call(signal: AbortSignal): CallOptions {
    const { job, whenSpent } = this.#options;
    return { class: 'job', job, whenSpent, signal };
  }

  /** It is not what was expected there. */
  changed(path: string, cause?: unknown): Failure {
    return new Failure('target-changed', { target: this.#root, path }, cause);
  }

  upload(path: string, name: string, content: Content, options: WriteOptions) {
    return this.#uploads.upload(this.#placeOf(path), name, content, options, this.call(options.signal));
  }

  /** @throws Failure as `once`; `target-changed` where the name is taken */
  async once<T>(
    make: () => Promise<T>,
    look: () => Promise<T | undefined>,
    sent: Omit<LateCall, 'at'> | undefined,
    path: string,
    mayBeThere = false,
  ): Promise<T> {
    try {
      const made = await once(make, look, sent, this.#access.late, mayBeThere);
      this.#uploads.done(this.#placeOf(path));
      return made;
    } catch (error) {
      this.#uploads.failed(this.#placeOf(path), error);
      throw isFailure(error, 'name-taken') ? this.changed(path, error) : error;
    }
  }

  /** Into the mirror. */
  async taken({ item, serverTime }: Written, path: string): Promise<EndpointItem> {
    if (!item) throw new Failure('bad-reply', { host: 'the server', call: path, why: 'it names no item' });
    const { late, mirror } = this.#access;
    const { store, view } = mirror;
    // Whatever an earlier call makes there, this is what is meant to be there.
    if (item.parentId !== null) for (const one of late.creations(item.parentId, item.name)) late.forget(one);
    await store.ingestOwn(item, serverTime);
    const row = view.byRemoteId(item.id as RemoteId);
    if (!row) throw new Failure('internal', { why: `${path} is not in the mirror after it was made` });
    // The server may have cleaned the name: the record says what it is called there.
    return this.#tree.item(row, childPath(parentOf(path), row.name));
  }

  /** From the top, for each job has ends of its own. */
  #placeOf(path: string): string {
    return `${this.#access.project}:${this.#tree.names(path).join('/')}`;
  }
}
