import { asRemoteId, asVersionId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import type { ContentSource } from '#src/cache/source.js';
import { contentOf } from './content-storage.js';
import { randomBy } from './random.js';

/** Versions of the crash test: small ones, and a few large ones. */
export const VICTIMS = Array.from({ length: 24 }, (_, n) => ({
  id: asVersionId(n + 1),
  remoteId: asRemoteId(n + 1),
  size: n % 4 === 0 ? 6_000_000 + n * 1001 : 3000 + n * 7919,
  label: `victim-${n + 1}`,
}));
/** Bytes: smaller than the versions together, so that the victim evicts all the time. */
export const VICTIM_LIMIT = 20_000_000;

/** The right bytes, without a network; what was asked for is counted. */
export function directSource(): ContentSource & { fetched: number } {
  const source = {
    fetched: 0,
    async fetch(version: { id: number; size: number }, start: number, end: number) {
      async function* chunks(): AsyncGenerator<Uint8Array> {
        for (let at = start; at < end; at += 30_000) {
          const to = Math.min(end, at + 30_000);
          source.fetched += to - at;
          yield contentOf(version.id, at, to);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      return { total: version.size, chunks: chunks() };
    },
  };
  return source;
}

/** Reads at random, by a seed, until killed. Prints a line once it is at it. */
export async function beVictim(folder: string, seed: number): Promise<never> {
  const random = randomBy(seed);
  const cache = ContentCache.open({ folder, limit: VICTIM_LIMIT, reserve: 0, source: directSource(), log: silentLog });
  const signal = new AbortController().signal;
  const reader = async (): Promise<never> => {
    for (;;) {
      const version = VICTIMS[Math.floor(random() * VICTIMS.length)]!;
      const blob = cache.open(version);
      let at = random() < 0.5 ? 0 : Math.floor(random() * version.size);
      for (let n = 0; n < 8; n++, at += 100_000) {
        const bytes = await blob.read(at, 100_000, signal);
        const end = at + bytes.length;
        if (!contentOf(version.id, Math.min(at, end), end).equals(bytes)) {
          process.stdout.write(`wrong bytes of ${version.id} at ${at}\n`);
          process.exit(3);
        }
      }
      blob.close();
    }
  };
  process.stdout.write('reading\n');
  return Promise.race([reader(), reader(), reader()]);
}
