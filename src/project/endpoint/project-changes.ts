import { Failure, isFailure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import { childPath, parentOf } from '../../endpoints/paths.js';
import type { Content, WriteOptions } from '../../endpoints/target.js';
import type { EndpointItem } from '../../jobs/endpoint.js';
import type { Written } from '../../procore/writes.js';
import { JobUploads } from './job-uploads.js';
import { type Creation, once } from './once.js';
import type { ProcoreEndpointOptions, ProjectAccess, ProjectTree } from './project-tree.js';

/** Common parts of all changes that a job makes in a project. */
export class ProjectChanges {
  readonly #uploads: JobUploads;

  /** @param root name of the endpoint in messages */
  constructor(
    private readonly access: ProjectAccess,
    private readonly options: ProcoreEndpointOptions,
    private readonly tree: ProjectTree,
    private readonly root: string,
  ) {
    this.#uploads = new JobUploads(access.uploads, access.project, options.uploads);
  }

  call(signal: AbortSignal): CallOptions {
    const { job, whenSpent } = this.options;
    return { class: 'job', job, whenSpent, signal };
  }

  /** The failure for an item that is not as expected. */
  changed(path: string, cause?: unknown): Failure {
    return new Failure('target-changed', { target: this.root, path }, cause);
  }

  upload(path: string, name: string, content: Content, options: WriteOptions) {
    return this.#uploads.upload(this.#placeOf(path), name, content, options, this.call(options.signal));
  }

  /** @throws Failure of `once`; `target-changed` if the name is taken */
  async once<T>(creation: Creation<T>, path: string): Promise<T> {
    try {
      const made = await once(creation, this.access.late);
      this.#uploads.done(this.#placeOf(path));
      return made;
    } catch (error) {
      this.#uploads.failed(this.#placeOf(path), error);
      throw isFailure(error, 'name-taken') ? this.changed(path, error) : error;
    }
  }

  /** Takes a written item into the mirror. @returns the item */
  async taken({ item, serverTime }: Written, path: string): Promise<EndpointItem> {
    if (!item) throw new Failure('bad-reply', { host: 'the server', call: path, why: 'it names no item' });
    const { late, mirror } = this.access;
    const { store, view } = mirror;
    // The place has its item now: late calls that may still create one there are no longer of interest.
    if (item.parentId !== null) for (const one of late.creations(item.parentId, item.name)) late.forget(one);
    await store.ingestOwn(item, serverTime);
    const row = view.byRemoteId(item.id as RemoteId);
    if (!row) throw new Failure('internal', { why: `${path} is not in the mirror after it was made` });
    // The server may have changed the name: the record needs the name that it has there.
    return this.tree.item(row, childPath(parentOf(path), row.name));
  }

  /** Path from the project's root, since each job has its own root. */
  #placeOf(path: string): string {
    return `${this.access.project}:${this.tree.names(path).join('/')}`;
  }
}
