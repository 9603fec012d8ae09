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
  /** As it is to be called when somebody downloads it. */
  readonly name: string;
  /** Bytes; exactly so many must come. */
  readonly size: number;
  /** Read twice: hashed, then sent. Must stay the same meanwhile. */
  readonly source: UploadSource;
  readonly signal?: AbortSignal;
  /** Of an earlier attempt at the same content. */
  readonly resume?: SavedUpload;
  /** Bytes that are under way or have arrived; less again when an attempt failed. */
  readonly progress?: (bytes: number) => void;
  /** Called after each step that need not be done again; throwing ends the upload. */
  readonly save?: (state: SavedUpload) => void;
}

export interface UploadsOptions {
  /** What uploads may use of the line; all of it unless told. */
  readonly bandwidth?: Bandwidth | undefined;
  /** Bytes of the largest file that goes in one request; 100 MiB unless told. */
  readonly segmentAbove?: number;
  /** Bytes of a segment, at least 5 MiB; 32 MiB unless told. */
  readonly segmentSize?: number;
  /** Segments of one file that are sent at once; 4 unless told. */
  readonly parallel?: number;
  /** Requests at once over all files; 8 unless told. */
  readonly connections?: number;
  /** Milliseconds without a byte moving after which a request is given up; 60,000 unless told. */
  readonly idleTimeout?: number;
}

const MIB = 2 ** 20;
/** Content with more bytes goes in segments unless told otherwise, which is a call more. */
export const SEGMENTED_ABOVE = 100 * MIB;
/** The largest file that Procore takes, bytes. */
export const LARGEST_UPLOAD_BYTES = 5 * 1024 * MIB;
/** Bytes that a segment must have, the last one excepted. */
const LEAST_SEGMENT_BYTES = 5 * MIB;
/** The storage takes bytes for an hour after the announcement. Milliseconds, with something to spare. */
const OPEN_FOR = 55 * 60_000;
/** A complete upload waits a week for its file. */
const KEPT_FOR = 6.5 * 86_400_000;

/**
 * Direct uploads: bytes go straight to the storage, the API is told before and after. 1 call in one request, 2 in
 * segments. Memory is a few chunks for each request, whatever the size. What fails in passing at the storage is
 * repeated there; when all fails, what had arrived is in the saved state.
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
   * Brings content to Procore's storage; the uuid makes a file or a version of it (`ProcoreWrites`).
   * @throws Failure `content-changed`, `content-unreadable`, `content-refused`, `upload-failed`, `name-refused`, or as
   *   an API call does
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
      const stretches = await content.digests(this.#sizes(size), signal);
      const run = new UploadRun({
        calls: this.#calls,
        storage: this.#storage,
        parallel: this.#parallel,
        clock: this.#api.clock,
        content,
        stretches,
        project,
        request,
        options: { ...options, ...(signal ? { signal } : {}) },
      });
      let saved = this.#usable(request.resume, stretches);
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

  /** An earlier attempt, if it was at these bytes and the storage still takes what is missing. */
  #usable(saved: SavedUpload | undefined, stretches: readonly Digest[]): SavedUpload | undefined {
    if (!saved || saved.segments.length !== stretches.length) return undefined;
    const isSame = saved.segments.every(({ sha256, size, etag, url }, i) => {
      const stretch = stretches[i]!;
      const canGoOn = saved.complete || etag !== undefined || url !== undefined;
      return canGoOn && sha256 === stretch.sha256 && size === stretch.size;
    });
    const age = this.#api.clock.now() - saved.startedAt;
    return isSame && age >= 0 && age < (saved.complete ? KEPT_FOR : OPEN_FOR) ? saved : undefined;
  }
}
