import type { RemoteId, VersionId } from '../base/ids.js';
import type { CallClass } from '../budget/calls.js';

/** One content version of a file: its bytes never change. */
export interface ContentVersion {
  readonly id: VersionId;
  readonly remoteId: RemoteId;
  /** Bytes, as Procore says. */
  readonly size: number;
  /** Names the file in messages. */
  readonly label: string;
}

export interface ContentStream {
  /** Bytes of the whole version as the storage says, if it said so. */
  readonly total: number | undefined;
  /**
   * Where the first chunk belongs, if the storage ignored the range and sends from an earlier byte on (usually 0) to the
   * end of the version. Undefined: the chunks are the range that was asked for.
   */
  readonly from?: number;
  /** The strong entity tag of the version, if the storage told one. */
  readonly etag?: string | undefined;
  /** A chunk is looked at only until the next one is asked for: a source may use its buffer again. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** The chunks are not wanted; for who has not begun to read them. */
  close?(): void;
}

/** What is known when more of a version is asked for. */
export interface AskedFor {
  /** The entity tag that the bytes which are here came with. */
  readonly etag?: string | undefined;
  /** The last reply was not the version: its URL may not be right any more. */
  readonly isDoubted?: boolean;
}

/** Where content comes from. */
export interface ContentSource {
  /**
   * Streams the bytes [start, end) of a version. Expired URLs are renewed inside, and a storage that stays silent is
   * given up inside (a rejection, or a stream that fails). Rejects with a `Failure` when repeating is of no use.
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
