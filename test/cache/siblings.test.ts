import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { asRemoteId, asVersionId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { ContentCache, type ContentCacheOptions } from '#src/cache/cache.js';
import { Siblings } from '#src/cache/siblings.js';
import type { ContentVersion } from '#src/cache/source.js';
import { contentOf, eventually, Storage, temporaryFolder } from '../support/content-storage.js';

const never = new AbortController().signal;

async function bench(
  t: Test,
  files: number,
  options: Partial<ContentCacheOptions> = {},
): Promise<{ storage: Storage; cache: ContentCache; read(n: number): Promise<void> }> {
  const storage = await Storage.start();
  const [folder, remove] = temporaryFolder();
  const cache = ContentCache.open({
    folder,
    limit: 2 ** 30,
    reserve: 0,
    source: storage.source,
    log: silentLog,
    ...options,
  });
  t.teardown(async () => {
    await cache.close();
    await storage.stop();
    remove();
  });
  storage.walk = Array.from({ length: files }, (_, n) => storage.version(n + 1, 8192));
  const read = async (n: number): Promise<void> => {
    const version = storage.walk[n]!;
    const blob = cache.open(version);
    const bytes = await blob.read(0, 8192, never);
    blob.close();
    if (!contentOf(version.id, 0, 8192).equals(bytes)) t.fail(`wrong bytes of ${version.label}`);
  };
  return { storage, cache, read };
}

t.test('a walk through small files is fetched many at a time, each file once', async (t) => {
  const { storage, cache, read } = await bench(t, 600);
  storage.faults.latency = 20;
  for (let n = 0; n < 600; n++) await read(n);
  await eventually(() => cache.stats().downloading === 0, 'quiet');
  t.equal(storage.requests.length, 600, 'one request a file');
  t.ok(storage.peak >= 20, `${storage.peak} at a time`);
  t.ok(storage.peak <= 32, `${storage.peak} at a time`);
  const { sent } = storage;
  for (let n = 0; n < 600; n++) await read(n);
  t.equal(storage.sent, sent, 'again: nothing');
});

t.test('a walk that skips some files, or finds some cached, is still one', async (t) => {
  const { storage, cache, read } = await bench(t, 400);
  for (let n = 100; n < 140; n++) await read(n);
  storage.faults.latency = 20;
  for (let n = 0; n < 400; n += 2) await read(n);
  t.ok(storage.peak >= 10, `${storage.peak} at a time`);
  await eventually(() => cache.stats().downloading === 0, 'quiet');
  t.equal(new Set(storage.requests.map(({ id }) => id)).size, storage.requests.length, 'no file twice');
});

t.test('a walk of which only large files are left looks at them once a file that is used', (t) => {
  const files = Array.from({ length: 300 }, (_, n): ContentVersion => {
    return { id: asVersionId(n + 1), remoteId: asRemoteId(n + 1), size: n < 3 ? 8192 : 2 ** 21, label: `file ${n}` };
  });
  let looks = 0;
  const following = (version: ContentVersion, limit: number): readonly ContentVersion[] => {
    if (++looks > 100) throw new Error('it looks without end');
    return files.slice(version.id, version.id + limit);
  };
  const prefetched: ContentVersion[] = [];
  const source = { fetch: () => Promise.reject(new Error('nothing is fetched')), following };
  const siblings = new Siblings(
    source,
    (version) => prefetched.push(version),
    () => 0,
  );
  for (const version of files.slice(0, 3)) siblings.used(version, false);
  t.same(prefetched, [files[2]], 'the small one that follows was fetched ahead');
  t.ok(looks <= 3, `${looks} looks`);
  t.end();
});

t.test('single files here and there fetch nothing else', async (t) => {
  const { storage, cache, read } = await bench(t, 400);
  for (const n of [0, 50, 100, 390, 220, 20]) await read(n);
  await eventually(() => cache.stats().downloading === 0, 'quiet');
  t.equal(storage.requests.length, 6);
});

t.test('prefetch stops soon after the walk stops', async (t) => {
  const { storage, cache, read } = await bench(t, 2000);
  for (let n = 0; n < 200; n++) await read(n);
  await eventually(() => cache.stats().downloading === 0 && cache.stats().queued === 0, 'quiet');
  t.ok(storage.requests.length <= 200 + 128, `${storage.requests.length} files`);
});

t.test("a person's read goes before the prefetch that waits for connections", async (t) => {
  const { storage, cache, read } = await bench(t, 1000, { connections: 4 });
  const wanted = storage.version(5000, 8192);
  storage.faults.latency = 40;
  for (let n = 0; n < 30; n++) await read(n);
  t.ok(cache.stats().queued > 0, 'prefetch waits');
  const before = storage.requests.length;
  const blob = cache.open(wanted);
  await blob.read(0, 8192, never);
  blob.close();
  const place = storage.requests.findIndex(({ id }) => id === 5000) - before;
  t.ok(place <= 4, `${place} requests went before`);
});

t.test('memory stays bounded while many large files arrive faster than the disk takes them', async (t) => {
  const memory = 8 * 2 ** 20;
  const { storage, cache } = await bench(t, 0, { memory });
  const size = 6 * 2 ** 20;
  let most = 0;
  let done = false;
  const watch = (async () => {
    while (!done) {
      most = Math.max(most, cache.stats().memory);
      await delay(1);
    }
  })();
  await Promise.all(
    Array.from({ length: 24 }, async (_, n) => {
      const version = storage.version(n + 1, size);
      const blob = cache.open(version);
      for (let at = 0; at < size; at += 2 ** 20) await blob.read(at, 2 ** 20, never);
      blob.close();
    }),
  );
  done = true;
  await watch;
  t.ok(most <= memory * 2, `${most} bytes`);
  await eventually(() => cache.stats().memory === 0, 'all given back');
});
