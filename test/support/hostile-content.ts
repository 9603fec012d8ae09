import { systemClock } from '#src/base/clock.js';
import { silentLog } from '#src/base/log.js';
import { ContentCache, type ContentCacheOptions } from '#src/cache/cache.js';
import { FileVersions } from '#src/cache/file-versions.js';
import { ProjectSource } from '#src/cache/project-source.js';
import type { Item, KnownUrl } from '#src/mirror/database/view.js';
import type { Mirror } from '#src/mirror/mirror.js';
import { Storage } from '#src/procore/storage.js';
import { temporaryFolder } from './content-storage.js';
import { HostileStorage } from './hostile-storage.js';
import { CountedTokens } from './net-server.js';
import { randomBy } from './random.js';

export interface HostileContent {
  readonly storage: HostileStorage;
  readonly folder: string;
  readonly cache: ContentCache;
  /** Calls for new URLs so far. */
  readonly calls: number;
  /** Everything that was logged. */
  readonly lines: readonly string[];
  reopen(options?: Partial<ContentCacheOptions>): Promise<ContentCache>;
}

/** Retries wait, but a test need not. */
const HURRIED = 50;

/** The content of a project as it is in the product, before a hostile storage; only the mirror's part is made up. */
export async function hostileContent(
  t: { teardown(cleanup: () => unknown): unknown },
  seed: number,
  options: Partial<ContentCacheOptions> = {},
): Promise<HostileContent> {
  const storage = await HostileStorage.start(randomBy(seed));
  const [folder, remove] = temporaryFolder();
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / HURRIED, signal),
  };
  const downloads = new Storage({ trustedHosts: [], tokens: new CountedTokens(), idleTimeout: 1000 });
  const urls = new Map<number, number>();
  let calls = 0;
  const urlOf = (id: number): KnownUrl => ({ url: storage.url(id, urls.get(id) ?? 0), fetchedAt: 1, versionId: id });
  // The remote id tells the version: each file has one.
  const itemOf = (remoteId: number) => ({ versionId: remoteId - 1_000_000, remoteId, flags: 0 }) as unknown as Item;
  const mirror = {
    view: { byRemoteId: itemOf, path: () => 'path', following: () => [] },
    urls: {
      known: (item: Item) => urlOf(item.versionId),
      refused: () => undefined,
      renew: async (item: Item, stale: KnownUrl | undefined) => {
        const known = urlOf(item.versionId);
        if (known.url !== stale?.url) return known;
        calls++;
        urls.set(item.versionId, (urls.get(item.versionId) ?? 0) + 1);
        return urlOf(item.versionId);
      },
    },
  } as unknown as Mirror;
  const source = new ProjectSource({
    mirror,
    storage: downloads,
    versions: new FileVersions(async () => []),
    log: silentLog,
  });
  const lines: string[] = [];
  const say = (_: unknown, line: string): void => void lines.push(line);
  const log = { ...silentLog, info: say, warn: say, error: say } as typeof silentLog;
  const open = (more: Partial<ContentCacheOptions> = {}): ContentCache =>
    ContentCache.open({ folder, limit: 2 ** 30, reserve: 0, source, log, clock, ...options, ...more });
  let cache = open();
  t.teardown(async () => {
    await cache.close();
    await downloads.close();
    await storage.stop();
    remove();
  });
  return {
    storage,
    folder,
    lines,
    get cache() {
      return cache;
    },
    get calls() {
      return calls;
    },
    reopen: async (more) => {
      await cache.close();
      cache = open(more);
      return cache;
    },
  };
}
