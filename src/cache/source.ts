import type { RemoteId, VersionId } from '../base/ids.js';
import type { CallClass } from '../budget/calls.js';

/** One content version of a file: its bytes never change. */
export interface ContentVersion {
  readonly id: VersionId;
  readonly remoteId: RemoteId;
  /** Bytes, as reported by Procore. */
  readonly size: number;
  /** Names the file in messages. */
  readonly label: string;
}

export interface ContentStream {
  /** Bytes of the complete version as reported by the storage; undefined if it reports none. */
  readonly total: number | undefined;
  /**
   * Offset of the first chunk, if the storage ignored the range and sends from an earlier byte (usually 0) to the end
   * of the version. Undefined: the chunks are the requested range.
   */
  readonly from?: number;
  /** The strong entity tag of the version, if the storage sent one. */
  readonly etag?: string | undefined;
  /** A chunk is valid only until the next one is requested: a source may reuse its buffer. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Discards the chunks; for callers that have not begun to read them. */
  close?(): void;
}

/** What the cache knows when it requests more of a version. */
export interface AskedFor {
  /** The entity tag of the cached bytes. */
  readonly etag?: string | undefined;
  /** The last reply did not contain the version: its URL may no longer be right. */
  readonly isDoubted?: boolean;
}

/** Where content comes from. */
export interface ContentSource {
  /**
   * Streams the bytes [start, end) of a version. The source renews expired URLs and times out when the storage stays
   * silent (a rejection, or a stream that fails). Rejects with a `Failure` if repeating is useless.
   */
  fetch(
    version: ContentVersion,
    start: number,
    end: number,
    signal: AbortSignal,
    callClass: CallClass,
    askedFor?: AskedFor,
  ): Promise<ContentStream>;
  /** Up to `limit` small files that a reader walking the tree in directory order will probably want after this one. */
  following?(version: ContentVersion, limit: number): readonly ContentVersion[];
}
