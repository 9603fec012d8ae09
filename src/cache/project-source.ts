import { LRUCache } from 'lru-cache';
import { type Clock, systemClock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import type { VersionId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { CallClass } from '../budget/calls.js';
import { HIDDEN } from '../mirror/database/flags.js';
import type { Item, KnownUrl } from '../mirror/database/view.js';
import type { Mirror } from '../mirror/mirror.js';
import type { RemoteVersion } from '../procore/items.js';
import type { Storage } from '../procore/storage.js';
import type { FileVersions } from './file-versions.js';
import type { AskedFor, ContentSource, ContentStream, ContentVersion } from './source.js';

export interface ProjectSourceOptions {
  readonly mirror: Mirror;
  readonly storage: Storage;
  /** Used only for versions that are not current any more, and for items that the index does not show. */
  readonly versions: FileVersions;
  readonly log: Log;
  readonly clock?: Clock;
}

/** URLs of recently read versions, so that a version that is replaced meanwhile can still be read. */
const REMEMBERED_URLS = 2000;
/**
 * URLs tried before a fetch fails. New ones cost little: one call brings 2,000, and one call is made in two seconds at
 * most.
 */
const MOST_URLS = 4;
/**
 * Milliseconds between two calls that replace URLs which were not refused but returned something other than the
 * version: for one version, and for all. A proxy in front of the storage may answer like that for hours.
 */
const DOUBT_PAUSE_MS = 600_000;
const DOUBTS_PAUSE = 60_000;

/** Fetches the content of one project's files: the mirror knows the URL, the storage delivers the bytes. */
export class ProjectSource implements ContentSource {
  readonly #options: ProjectSourceOptions;
  readonly #remembered = new LRUCache<VersionId, KnownUrl>({ max: REMEMBERED_URLS });
  /** When the URL of each version, and of any version, was last doubted: monotonic ms. */
  readonly #doubts = new LRUCache<VersionId, number>({ max: REMEMBERED_URLS });
  #doubtedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ProjectSourceOptions) {
    this.#options = options;
  }

  async fetch(
    version: ContentVersion,
    start: number,
    end: number,
    signal: AbortSignal,
    callClass: CallClass,
    { etag, isDoubted }: AskedFor = {},
  ): Promise<ContentStream> {
    let stale = isDoubted ? this.#doubted(version) : undefined;
    for (let attempt = 1; ; attempt++) {
      const url = await this.#url(version, stale, signal, callClass);
      try {
        const download = await this.#options.storage.download({
          url: url.url,
          start,
          end,
          etag,
          signal,
          label: version.label,
        });
        const { total, body } = download;
        const stream = { total, etag: download.etag, chunks: body, close: download.close };
        return download.status === 'whole' ? { ...stream, from: download.start } : stream;
      } catch (error) {
        if (!isFailure(error, 'url-expired') || attempt >= MOST_URLS) throw error;
        this.#options.mirror.urls.refused(url);
        this.#remembered.delete(version.id);
        stale = url;
      }
    }
  }

  following(version: ContentVersion, limit: number): readonly ContentVersion[] {
    const { view } = this.#options.mirror;
    const item = view.byRemoteId(version.remoteId);
    return item ? view.following(item, limit).map(contentVersion) : [];
  }

  /** The doubted URL if it may be replaced now, which may cost a call; else undefined. */
  #doubted({ id }: ContentVersion): KnownUrl | undefined {
    const url = this.#remembered.get(id);
    const now = (this.#options.clock ?? systemClock).monotonic();
    const isRested = now - (this.#doubts.get(id) ?? Number.NEGATIVE_INFINITY) > DOUBT_PAUSE_MS;
    if (!url || !isRested || now - this.#doubtedAt < DOUBTS_PAUSE) return undefined;
    this.#doubts.set(id, now);
    this.#doubtedAt = now;
    this.#remembered.delete(id);
    return url;
  }

  async #url(
    version: ContentVersion,
    stale: KnownUrl | undefined,
    signal: AbortSignal,
    callClass: CallClass,
  ): Promise<KnownUrl> {
    const { mirror } = this.#options;
    const item = mirror.view.byRemoteId(version.remoteId);
    if (!item) throw new Failure('gone', { what: version.label });
    if (item.versionId !== version.id) return this.#listedUrl(item, version, stale, signal);
    const known = stale ? undefined : mirror.urls.known(item);
    const url = known ?? (await this.#renewed(item, version, stale, callClass, signal));
    this.#remembered.set(version.id, url);
    return url;
  }

  async #renewed(
    item: Item,
    version: ContentVersion,
    stale: KnownUrl | undefined,
    callClass: CallClass,
    signal: AbortSignal,
  ): Promise<KnownUrl> {
    const { mirror } = this.#options;
    const isDeleted = (item.flags & HIDDEN) !== 0 || mirror.view.path(item) === undefined;
    if (!isDeleted) return mirror.urls.renew(item, stale, callClass, signal);
    const url = await mirror.bin.renew(item, stale, callClass, signal);
    return url ?? this.#listedUrl(item, version, stale, signal);
  }

  async #listedUrl(
    item: Item,
    version: ContentVersion,
    stale: KnownUrl | undefined,
    signal: AbortSignal,
  ): Promise<KnownUrl> {
    const remembered = this.#remembered.get(version.id);
    if (remembered && remembered.url !== stale?.url) return remembered;
    const { versions } = this.#options;
    const urlOf = (listed: readonly RemoteVersion[] | undefined): string | undefined =>
      listed?.find((candidate) => candidate.id === version.id)?.url;
    const kept = urlOf(versions.known(item));
    const found = kept !== undefined && kept !== stale?.url ? kept : urlOf(await versions.renew(item, signal));
    if (found === undefined) throw new Failure('version-gone', { path: version.label });
    const url = { url: found, fetchedAt: 0, versionId: version.id };
    this.#remembered.set(version.id, url);
    return url;
  }
}

export function contentVersion(item: Item): ContentVersion {
  return { id: item.versionId, remoteId: item.remoteId, size: item.size, label: item.name };
}
