import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import type { ContentVersion } from '#src/cache/source.js';
import { Storage, sourceOf, temporaryFolder, versionOf } from '../support/content-storage.js';

const MIB = 2 ** 20;
const never = new AbortController().signal;
const LARGE = 1024 * MIB;
const FILES = 2000;
const SMALL = 8192;
const LATENCY = 50;
const NONE: readonly ContentVersion[] = [];
const seconds = (since: number): number => (performance.now() - since) / 1000;

/** The storage as a process of its own, as in life. */
async function serve(): Promise<void> {
  const storage = await Storage.start();
  storage.version(1, LARGE);
  for (let id = 10; id < 10 + FILES; id++) storage.version(id, SMALL);
  process.on('message', (latency: number) => {
    storage.faults.latency = latency;
  });
  process.send!(storage.url(versionOf(1, LARGE)).replace(/1$/, ''));
}

async function withCache<T>(
  base: string,
  work: (cache: ContentCache, reopen: () => Promise<ContentCache>) => Promise<T>,
  walk = true,
): Promise<T> {
  const [folder, remove] = temporaryFolder();
  const versions = Array.from({ length: FILES }, (_, n) => versionOf(10 + n, SMALL));
  const source = sourceOf(
    (version) => `${base}${version.id}`,
    () => (walk ? versions : NONE),
  );
  const open = (): ContentCache => ContentCache.open({ folder, limit: 8 * LARGE, reserve: 0, source, log: silentLog });
  let cache = open();
  const reopen = async (): Promise<ContentCache> => {
    await cache.close();
    cache = open();
    return cache;
  };
  try {
    return await work(cache, reopen);
  } finally {
    await cache.close();
    await source.close();
    remove();
  }
}

/** Reads as the kernel does for one sequential reader: `depth` requests of `size` bytes under way. */
async function sequential(cache: ContentCache, size: number, depth: number): Promise<void> {
  const blob = cache.open(versionOf(1, LARGE));
  let next = 0;
  const reader = async (): Promise<void> => {
    for (let at = next; at < LARGE; at = next) {
      next = at + size;
      await blob.read(at, size, never);
    }
  };
  await Promise.all(Array.from({ length: depth }, reader));
  blob.close();
}

async function small(cache: ContentCache, count: number): Promise<void> {
  for (let id = 10; id < 10 + count; id++) {
    const blob = cache.open(versionOf(id, SMALL));
    await blob.read(0, SMALL, never);
    blob.close();
  }
}

async function main(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['serve']);
  const [base] = (await once(child, 'message')) as [string];
  const curl = (): number => {
    const began = performance.now();
    execFileSync('curl', ['-s', '-o', '/dev/null', `${base}1`]);
    return LARGE / MIB / seconds(began);
  };
  for (let round = 0; round < 3; round++) {
    const speed = curl();
    console.log(`curl, 1 GiB: ${speed.toFixed(0)} MiB/s`);
    for (const [size, depth] of [
      [128 * 1024, 1],
      [128 * 1024, 4],
      [MIB, 2],
    ] as const)
      await withCache(base, async (cache, reopen) => {
        let began = performance.now();
        const lag = watchLoop();
        await sequential(cache, size, depth);
        const mine = LARGE / MIB / seconds(began);
        began = performance.now();
        const most = lag();
        await sequential(cache, size, depth);
        const again = LARGE / MIB / seconds(began);
        const reopened = await reopen();
        began = performance.now();
        await sequential(reopened, size, depth);
        const checked = LARGE / MIB / seconds(began);
        const figures = `${mine.toFixed(0)} MiB/s, ${(mine / speed).toFixed(2)} x curl, again ${again.toFixed(0)} MiB/s, first after a start ${checked.toFixed(0)} MiB/s`;
        console.log(`  reads of ${size / 1024} KiB, ${depth} at a time: ${figures}, loop lag ${most.toFixed(0)} ms`);
      });
  }
  child.send(LATENCY);
  const single = await withCache(
    base,
    async (cache) => {
      const began = performance.now();
      await small(cache, 100);
      return seconds(began) / 100;
    },
    false,
  );
  const walked = await withCache(base, async (cache) => {
    const began = performance.now();
    await small(cache, FILES);
    return seconds(began) / FILES;
  });
  console.log(
    `small files at ${LATENCY} ms: one by one ${(single * 1000).toFixed(1)} ms a file, walk ${(walked * 1000).toFixed(2)} ms, ${(single / walked).toFixed(1)} x`,
  );
  child.kill();
}

/** The longest time that the event loop was late, in milliseconds. */
function watchLoop(): () => number {
  let last = performance.now();
  let most = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    most = Math.max(most, now - last - 2);
    last = now;
  }, 2);
  return () => {
    clearInterval(timer);
    return most;
  };
}

await (process.argv[2] === 'serve' ? serve() : main());
