import type { Bandwidth } from '../base/bandwidth.js';
import { Failure } from '../base/errors.js';
import type { ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ProcoreApi } from './api.js';
import { UploadCalls } from './upload-calls.js';
import { type Digest, UploadContent, type UploadSource } from './upload-content.js';
import { type SavedUpload, UploadRun } from './upload-run.js';
import { UploadStorage } from './upload-storage.js';

export type { UploadSource } from './upload-content.js';
export type { SavedSegment, SavedUpload } from './upload-run.js';

export interface UploadRequest {
  /** File name shown in downloads. */
  readonly name: string;
  /** Bytes; the source must provide exactly this many. */
  readonly size: number;
  /** Read twice: hashed, then sent. Must not change in between. */
  readonly source: UploadSource;
  readonly signal?: AbortSignal;
  /** State of an earlier attempt with the same content. */
  readonly resume?: SavedUpload;
  /** Number of bytes in transit or arrived; it decreases when an attempt fails. */
  readonly progress?: (bytes: number) => void;
  /** Called after each step that need not be repeated; throwing ends the upload. */
  readonly save?: (state: SavedUpload) => void;
}

export interface UploadsOptions {
  /** Bandwidth limit of uploads; default: none. */
  readonly bandwidth?: Bandwidth | undefined;
  /** Bytes of the largest file that is sent in one request; default 100 MiB. */
  readonly segmentAbove?: number;
  /** Bytes of a segment, at least 5 MiB; default 32 MiB. */
  readonly segmentSize?: number;
  /** Segments of one file sent in parallel; default 4. */
  readonly parallel?: number;
  /** Parallel requests over all files; default 8. */
  readonly connections?: number;
  /** Milliseconds without a byte sent or received after which a request fails; default 60,000. */
  readonly idleTimeout?: number;
}

const MIB = 2 ** 20;
/** Default size above which content is sent in segments, which costs one more call. */
export const SEGMENTED_ABOVE = 100 * MIB;
/** The largest file that Procore accepts, bytes. */
export const LARGEST_UPLOAD_BYTES = 5 * 1024 * MIB;
/** Minimum bytes of a segment other than the last one. */
const LEAST_SEGMENT_BYTES = 5 * MIB;
/** The storage accepts bytes for an hour after the announcement. Milliseconds, with a safety margin. */
const OPEN_FOR = 55 * 60_000;
/** A complete upload can be associated with a file for a week. Milliseconds, with a safety margin. */
const KEPT_FOR = 6.5 * 86_400_000;

/**
 * Direct uploads: bytes go straight to the storage, the API is called before and after. 1 call in one request, 2 in
 * segments. Memory is a few chunks for each request, whatever the size. Transient failures of the storage are retried
 * here; if the upload fails, the saved state contains the parts that have arrived.
 */
export class Uploads {
  readonly #api: ProcoreApi;
  readonly #calls: UploadCalls;
  readonly #storage: UploadStorage;
  readonly #above: number;
  readonly #segment: number;
  readonly #parallel: number;

  constructor(api: ProcoreApi, options: UploadsOptions = {}) {
    const { segmentAbove = SEGMENTED_ABOVE, segmentSize = 32 * MIB, parallel = 4, ...storage } = options;
    this.#api = api;
    this.#calls = new UploadCalls(api);
    this.#storage = new UploadStorage({ clock: api.clock, ...storage });
    this.#above = segmentAbove;
    this.#segment = Math.max(LEAST_SEGMENT_BYTES, segmentSize);
    this.#parallel = parallel;
  }

  /**
   * Sends content to Procore's storage; the returned uuid creates a file or a version (`ProcoreWrites`).
   * @throws Failure `content-changed`, `content-unreadable`, `content-refused`, `upload-failed`, `name-refused`, or as
   * an API call does
   */
  async upload(project: ProjectId, request: UploadRequest, options: CallOptions): Promise<{ uuid: string }> {
    const { name, size, source } = request;
    const what = `"${name}"`;
    if (size > LARGEST_UPLOAD_BYTES)
      throw new Failure('content-refused', { what, why: `it has more than ${LARGEST_UPLOAD_BYTES} bytes` });
    const signals = [request.signal, options.signal].filter((signal) => signal !== undefined);
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    const content = await UploadContent.open(source, size, what);
    try {
      const digests = await content.digests(this.#sizes(size), signal);
      const run = new UploadRun({
        calls: this.#calls,
        storage: this.#storage,
        parallel: this.#parallel,
        clock: this.#api.clock,
        content,
        digests,
        project,
        request,
        options: { ...options, ...(signal ? { signal } : {}) },
      });
      let saved = this.#usable(request.resume, digests);
      for (let again = false; ; again = true) {
        const uuid = await run.go(saved);
        if (uuid !== undefined) return { uuid };
        if (again) throw new Failure('upload-failed', { what, why: 'it was refused twice' });
        saved = undefined;
      }
    } finally {
      await content.close();
    }
  }

  close(): Promise<void> {
    return this.#storage.close();
  }

  #sizes(size: number): number[] {
    if (size <= this.#above) return [size];
    const count = Math.ceil(size / this.#segment);
    return Array.from({ length: count }, (_, i) => Math.min(this.#segment, size - i * this.#segment));
  }

  /** The state of an earlier attempt, if it has the same bytes and the storage still accepts the missing ones. */
  #usable(saved: SavedUpload | undefined, digests: readonly Digest[]): SavedUpload | undefined {
    if (!saved || saved.segments.length !== digests.length) return undefined;
    const isSame = saved.segments.every(({ sha256, size, etag, url }, i) => {
      const digest = digests[i]!;
      const canGoOn = saved.complete || etag !== undefined || url !== undefined;
      return canGoOn && sha256 === digest.sha256 && size === digest.size;
    });
    const age = this.#api.clock.now() - saved.startedAt;
    return isSame && age >= 0 && age < (saved.complete ? KEPT_FOR : OPEN_FOR) ? saved : undefined;
  }
}
