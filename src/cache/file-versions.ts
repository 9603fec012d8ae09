import { LRUCache } from 'lru-cache';
import { SingleFlight } from '../base/abort.js';
import type { RemoteId, VersionId } from '../base/ids.js';
import type { Item } from '../mirror/database/view.js';
import type { RemoteVersion } from '../procore/items.js';

/** All versions of a file, with the URLs of their bytes: 1 call. */
export type FetchVersions = (item: Item, signal: AbortSignal) => Promise<readonly RemoteVersion[]>;

interface Kept {
  /** The item's current version at the time of the call. */
  readonly current: VersionId;
  readonly versions: readonly RemoteVersion[];
}

/** Versions kept in memory for all files together: about 600 bytes each. */
const MOST_VERSIONS = 10_000;

/**
 * The versions of files that were requested. They are requested again only if a file has a new version, or a URL does
 * not work.
 */
export class FileVersions {
  readonly #fetch: FetchVersions;
  readonly #flights = new SingleFlight<RemoteId, readonly RemoteVersion[]>();
  readonly #kept = new LRUCache<RemoteId, Kept>({
    maxSize: MOST_VERSIONS,
    sizeCalculation: ({ versions }) => versions.length + 1,
  });

  constructor(fetch: FetchVersions) {
    this.#fetch = fetch;
  }

  /** The versions that are known without a call. */
  known(item: Item): readonly RemoteVersion[] | undefined {
    const kept = this.#kept.get(item.remoteId);
    return kept?.current === item.versionId ? kept.versions : undefined;
  }

  /** 1 call if they are not known. */
  async list(item: Item, signal: AbortSignal): Promise<readonly RemoteVersion[]> {
    return this.known(item) ?? (await this.renew(item, signal));
  }

  /** 1 call, shared by concurrent callers: also brings new URLs. */
  renew(item: Item, signal: AbortSignal): Promise<readonly RemoteVersion[]> {
    const work = async (signal: AbortSignal): Promise<readonly RemoteVersion[]> => {
      const versions = await this.#fetch(item, signal);
      this.#kept.set(item.remoteId, { current: item.versionId, versions });
      return versions;
    };
    return this.#flights.run(item.remoteId, work, signal);
  }
}
