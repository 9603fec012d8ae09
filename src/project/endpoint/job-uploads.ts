import { isFailure } from '../../base/errors.js';
import type { ProjectId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { Content, WriteOptions } from '../../endpoints/target.js';
import { kindOf } from '../../jobs/run/waiting.js';
import type { StoredUploads } from '../../jobs/store/stored-uploads.js';
import { type Digests, digestsOf } from '../../procore/own-versions.js';
import type { SavedUpload, Uploads } from '../../procore/uploads.js';

/** Uploads of a job. A segmented upload continues where an earlier attempt with the same content stopped. */
export class JobUploads {
  readonly #uploads: Uploads;
  readonly #project: ProjectId;
  readonly #saved: StoredUploads | undefined;
  /** Places with a saved upload. */
  readonly #open = new Set<string>();

  /** @param saved absent: each attempt starts from the beginning */
  constructor(uploads: Uploads, project: ProjectId, saved: StoredUploads | undefined) {
    this.#uploads = uploads;
    this.#project = project;
    this.#saved = saved;
  }

  /** @param place key of the file's place, the same for each attempt */
  async upload(
    place: string,
    name: string,
    content: Content,
    { size, progress }: WriteOptions,
    call: CallOptions,
  ): Promise<{ readonly uploadUuid: string; readonly digests: Digests }> {
    let digests: Digests = [];
    const resume = this.#saved?.get(place);
    if (resume) this.#open.add(place);
    const save = (state: SavedUpload): void => {
      digests = digestsOf(state);
      if (!this.#saved || state.segments.length === 1) return;
      this.#open.add(place);
      this.#saved.put(place, state);
    };
    const source = content.descriptor ?? content.file ?? rangeReader(content, call.signal);
    const request = { name, size, source, save, ...(resume ? { resume } : {}), ...(progress ? { progress } : {}) };
    if (resume) digests = digestsOf(resume);
    const { uuid } = await this.#uploads.upload(this.#project, request, call);
    return { uploadUuid: uuid, digests };
  }

  /** The upload was used: its saved state is deleted. */
  done(place: string): void {
    if (this.#open.delete(place)) this.#saved?.remove(place);
  }

  /**
   * The upload was not used. Its saved state is deleted if it would be refused again, else kept for the next attempt.
   */
  failed(place: string, error: unknown): void {
    if (kindOf(error) === 'item' || isFailure(error, 'upload-unknown')) this.done(place);
  }
}

const rangeReader = ({ open }: Content, signal = new AbortController().signal) =>
  async function* (start: number, end: number): AsyncGenerator<Uint8Array> {
    if (end <= start) return;
    let left = end - start;
    for await (const chunk of (await open(start, signal)) as AsyncIterable<Buffer>) {
      yield left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= chunk.length;
      if (left <= 0) return;
    }
  };
