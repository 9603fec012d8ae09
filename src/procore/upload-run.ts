import type { Clock } from '../base/clock.js';
import { isFailure } from '../base/errors.js';
import type { ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { UploadCalls } from './upload-calls.js';
import type { Digest, UploadContent } from './upload-content.js';
import type { UploadStorage } from './upload-storage.js';

/** Progress of an upload: plain data for JSON. Its URLs are signed and therefore secret. */
export interface SavedUpload {
  readonly uuid: string;
  /** Milliseconds since the epoch by this machine's clock. */
  readonly startedAt: number;
  readonly segments: readonly SavedSegment[];
  /** Only the association with a file is left, within a week. */
  readonly complete: boolean;
}

export interface SavedSegment {
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Present once the segment has arrived. */
  readonly etag?: string;
}

export interface UploadRunParts {
  readonly calls: UploadCalls;
  readonly storage: UploadStorage;
  /** Segments sent in parallel. */
  readonly parallel: number;
  readonly clock: Clock;
  readonly content: UploadContent;
  /** Digests of consecutive ranges of the whole content; more than one: segments. */
  readonly digests: readonly Digest[];
  readonly project: ProjectId;
  readonly request: {
    readonly name: string;
    readonly progress?: (bytes: number) => void;
    readonly save?: (state: SavedUpload) => void;
  };
  readonly options: CallOptions;
}

/** One upload from its announcement to its completion. */
export class UploadRun {
  readonly #parts: UploadRunParts;
  #sent = 0;

  constructor(parts: UploadRunParts) {
    this.#parts = parts;
  }

  /** The uuid of the complete upload; undefined if it must be announced anew. */
  async go(saved: SavedUpload | undefined): Promise<string | undefined> {
    if (saved?.complete) return saved.uuid;
    const { calls, clock, options, project, request, digests } = this.#parts;
    this.#sent = 0;
    try {
      if (saved) return await this.#inSegments(saved);
      const startedAt = clock.now();
      const { uuid, to } = await calls.announce(project, request.name, digests, options);
      const segments = digests.map(({ size, sha256 }, i) => ({
        size,
        sha256,
        ...(Array.isArray(to) ? to[i] : {}),
      }));
      const begun = { uuid, startedAt, segments, complete: false };
      if (!Array.isArray(to)) return await this.#whole(begun, to);
      this.#save(begun);
      return await this.#inSegments(begun);
    } catch (error) {
      // The URL is no longer valid.
      if (isFailure(error, 'upload-failed') && (error.details.status === 403 || error.details.status === 404))
        if (!options.signal?.aborted) return undefined;
      throw error;
    }
  }

  async #whole(
    begun: SavedUpload,
    { url, fields }: { readonly url: string; readonly fields: Readonly<Record<string, string>> },
  ): Promise<string> {
    const { content, options, digests, storage } = this.#parts;
    const places = digests.map((digest, i) => [this.#startOf(i), digest] as const);
    const body = { size: content.size, open: this.#counted(places) };
    await storage.postForm(url, fields, body, this.#sending(options.signal));
    this.#save({ ...begun, complete: true });
    return begun.uuid;
  }

  async #inSegments(begun: SavedUpload): Promise<string | undefined> {
    const { calls, options, parallel, project, request, storage, digests } = this.#parts;
    const segments = [...begun.segments];
    const missing = [...segments.keys()].filter((i) => segments[i]!.etag === undefined);
    this.#sent = segments.reduce((sum, { etag, size }) => sum + (etag === undefined ? 0 : size), 0);
    const stop = new AbortController();
    const abort = (): void => stop.abort(options.signal?.reason);
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted) abort();
    const worker = async (): Promise<void> => {
      for (let i = missing.shift(); i !== undefined; i = missing.shift()) {
        stop.signal.throwIfAborted();
        const { url, headers, ...segment } = segments[i]!;
        const digest = digests[i]!;
        const body = { size: digest.size, open: this.#counted([[this.#startOf(i), digest]]) };
        const etag = await storage.put(url ?? '', headers ?? {}, body, this.#sending(stop.signal));
        // A segment that has arrived needs no URL any more.
        segments[i] = { ...segment, etag };
        this.#save({ ...begun, segments: [...segments] });
      }
    };
    let failure: { readonly error: unknown } | undefined;
    const workers = Array.from({ length: Math.min(parallel, missing.length) }, () =>
      worker().catch((error: unknown) => {
        failure ??= { error };
        stop.abort(error);
      }),
    );
    await Promise.all(workers);
    options.signal?.removeEventListener('abort', abort);
    if (failure) throw failure.error;

    const etags = segments.map(({ etag }) => etag!);
    if (!(await calls.complete(project, begun.uuid, etags, request.name, options))) return undefined;
    this.#save({ ...begun, segments, complete: true });
    return begun.uuid;
  }

  /** Opens ranges of the content, one after the other; sent bytes count as progress until they must be sent again. */
  #counted(places: readonly (readonly [start: number, digest: Digest])[]): () => AsyncIterable<Uint8Array> {
    const { content } = this.#parts;
    const count = (bytes: number): void => this.#progress(bytes);
    let sent = 0;
    return async function* open() {
      count(-sent);
      sent = 0;
      for (const [start, digest] of places)
        for await (const chunk of content.verified(start, digest)) {
          sent += chunk.length;
          count(chunk.length);
          yield chunk;
        }
    };
  }

  #startOf(index: number): number {
    let start = 0;
    for (let i = 0; i < index; i++) start += this.#parts.digests[i]!.size;
    return start;
  }

  #progress(bytes: number): void {
    this.#sent += bytes;
    this.#parts.request.progress?.(this.#sent);
  }

  #save(state: SavedUpload): void {
    this.#parts.request.save?.(state);
  }

  #sending(signal: AbortSignal | undefined) {
    return { label: `"${this.#parts.request.name}"`, signal };
  }
}
