import { spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import { systemClock } from '#src/base/clock.js';
import { type Failure, isFailure } from '#src/base/errors.js';
import { asRemoteId, asVersionId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Buffers } from '#src/cache/buffers.js';
import { ContentCache, type ContentCacheOptions } from '#src/cache/cache.js';
import { CacheLimit } from '#src/cache/cache-limit.js';
import type { OpenBlob } from '#src/cache/open-blob.js';
import type { ContentVersion } from '#src/cache/source.js';
import { BlobStore, type StoreContext } from '#src/cache/store.js';
import { contentOf, eventually, Storage, temporaryFolder } from '../support/content-storage.js';

const MIB = 2 ** 20;
const never = new AbortController().signal;

interface Bench {
  readonly storage: Storage;
  readonly folder: string;
  readonly cache: ContentCache;
  reopen(options?: Partial<ContentCacheOptions>): Promise<ContentCache>;
}

async function bench(t: Test, options: Partial<ContentCacheOptions> = {}): Promise<Bench> {
  const storage = await Storage.start();
  const [folder, remove] = temporaryFolder();
  const open = (more: Partial<ContentCacheOptions> = {}): ContentCache =>
    ContentCache.open({
      folder,
      limit: 1024 * MIB,
      reserve: 0,
      source: storage.source,
      log: silentLog,
      ...options,
      ...more,
    });
  let cache = open();
  t.teardown(async () => {
    await cache.close();
    await storage.stop();
    remove();
  });
  return {
    storage,
    folder,
    cache,
    reopen: async (more) => {
      await cache.close();
      cache = open(more);
      return cache;
    },
  };
}

async function same(t: Test, blob: OpenBlob, id: number, start: number, end: number, what: string): Promise<void> {
  const bytes = await blob.read(start, end - start, never);
  t.ok(contentOf(id, start, end).equals(bytes), what);
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'no error';
  } catch (error) {
    return isFailure(error) ? error.code : String(error);
  }
}

t.test('bytes are right, and the second read of the same costs nothing', async (t) => {
  const { storage, cache } = await bench(t);
  const version = storage.version(1, 300_000);
  const blob = cache.open(version);
  await same(t, blob, 1, 0, 131_072, 'first part');
  await same(t, blob, 1, 131_072, 262_144, 'second part');
  await same(t, blob, 1, 262_144, 300_000, 'the end');
  t.equal((await blob.read(299_999, 4096, never)).length, 1, 'fewer bytes only at the end');
  t.equal((await blob.read(300_000, 4096, never)).length, 0, 'nothing behind the end');
  await eventually(() => blob.whole, 'whole on disk');
  const { sent } = storage;
  t.equal(sent, 300_000, 'each byte left the storage once');
  const again = cache.open(version);
  await same(t, again, 1, 1000, 250_000, 'again');
  t.equal(storage.sent, sent);
  t.ok(cache.stats().hits > 0);
  t.equal(fstatSync(again.fd()).size, 300_000, 'the descriptor is of the whole content');
  const bytes = Buffer.alloc(1000);
  readSync(again.fd(), bytes, 0, 1000, 5000);
  t.ok(bytes.equals(contentOf(1, 5000, 6000)));
  blob.close();
  again.close();
});

t.test('what was fetched is still there after a restart', async (t) => {
  const { storage, cache, reopen } = await bench(t);
  const small = storage.version(1, 8192);
  const large = storage.version(2, 100 * MIB);
  for (const version of [small, large]) {
    const blob = cache.open(version);
    await same(t, blob, version.id, version.size >> 1, (version.size >> 1) + 4096, 'first');
    blob.close();
  }
  const second = await reopen();
  const { sent } = storage;
  for (const version of [small, large]) {
    const blob = second.open(version);
    await same(t, blob, version.id, version.size >> 1, (version.size >> 1) + 4096, 'after the restart');
    blob.close();
  }
  t.equal(storage.sent, sent);
  t.equal(second.stats().blobs, 2);
});

t.test('an empty file needs no storage and has a descriptor', async (t) => {
  const { storage, cache } = await bench(t);
  const blob = cache.open(storage.version(1, 0));
  t.equal((await blob.read(0, 4096, never)).length, 0);
  t.equal(blob.whole, true);
  t.equal(fstatSync(blob.fd()).size, 0);
  t.equal(storage.requests.length, 0);
  blob.close();
});

t.test('a read in the middle of a large file takes little more than it needs', async (t) => {
  const { storage, cache } = await bench(t);
  const blob = cache.open(storage.version(1, 1024 * MIB));
  const middle = 512 * MIB;
  // As the kernel sends them: 128 KiB each, two at a time, the later one first.
  for (let at = middle; at < middle + MIB; at += 262_144)
    await Promise.all([
      same(t, blob, 1, at + 131_072, at + 262_144, 'later'),
      same(t, blob, 1, at, at + 131_072, 'earlier'),
    ]);
  await eventually(() => cache.stats().downloading === 0, 'downloads end by themselves');
  t.ok(storage.sent <= 4 * MIB, `${storage.sent} bytes left the storage`);
  blob.close();
});

t.test('a sequential reader gets few and ever larger requests', async (t) => {
  const { storage, cache } = await bench(t);
  const size = 96 * MIB;
  const blob = cache.open(storage.version(1, size));
  for (let at = 0; at < size; at += 131_072) {
    const bytes = await blob.read(at, 131_072, never);
    if (!contentOf(1, at, at + 131_072).equals(bytes)) t.fail(`wrong bytes at ${at}`);
  }
  await eventually(() => blob.whole, 'whole on disk');
  t.equal(storage.sent, size, 'no byte twice');
  t.ok(storage.requests.length < 24, `${storage.requests.length} requests`);
  blob.close();
});

t.test('where each connection is slow, a large file comes over several, each byte once', async (t) => {
  const { storage, cache } = await bench(t);
  const size = 96 * MIB;
  const version = storage.version(1, size);
  storage.faults.pace = 2;
  const blob = cache.open(version);
  let peak = 0;
  for (let at = 0; at < size; at += MIB / 2) {
    const bytes = await blob.read(at, MIB / 2, never);
    if (at % (16 * MIB) === 0) t.ok(contentOf(1, at, at + MIB / 2).equals(bytes), `from ${at}`);
    peak = Math.max(peak, storage.active);
  }
  t.ok(peak >= 4 && peak <= 6, `${peak} connections`);
  t.equal(storage.sent, size);
  t.ok(storage.requests.length <= 14, `${storage.requests.length} requests`);
  blob.close();
});

t.test('readers of one version share its download', async (t) => {
  const { storage, cache } = await bench(t);
  const version = storage.version(1, 20 * MIB);
  storage.faults.latency = 30;
  const readers = Array.from({ length: 8 }, async () => {
    const blob = cache.open(version);
    for (let at = 0; at < version.size; at += MIB) await same(t, blob, 1, at, at + MIB, `at ${at}`);
    blob.close();
  });
  await Promise.all(readers);
  t.equal(storage.sent, version.size, 'each byte left the storage once');
});

t.test('a reader who gives up is let go at once, and others go on', async (t) => {
  const { storage, cache } = await bench(t);
  const blob = cache.open(storage.version(1, 4 * MIB));
  storage.faults.stall = true;
  const leaver = new AbortController();
  const left = codeOf(() => blob.read(MIB / 2, MIB / 2, leaver.signal));
  const stayer = Promise.resolve(blob.read(MIB / 2, MIB / 2, never));
  await eventually(() => storage.sent > 0, 'the download has begun');
  leaver.abort();
  t.equal(await left, 'interrupted');
  t.equal(await codeOf(() => blob.read(3 * MIB, 10, AbortSignal.abort())), 'interrupted', 'aborted before');
  storage.faults.stall = false;
  t.ok(contentOf(1, MIB / 2, MIB).equals(await stayer));
  blob.close();
});

t.test('a download that nobody wants any more stops', async (t) => {
  const { storage, cache } = await bench(t);
  const blob = cache.open(storage.version(1, 200 * MIB));
  for (let at = 0; at < 32 * MIB; at += MIB) await blob.read(at, MIB, never);
  storage.faults.stall = true;
  const waiting = codeOf(() => blob.read(190 * MIB, 5 * MIB, never));
  await eventually(() => cache.stats().downloading > 0, 'it downloads');
  const leaver = new AbortController();
  const left = codeOf(() => blob.read(150 * MIB, 5 * MIB, leaver.signal));
  leaver.abort();
  t.equal(await left, 'interrupted');
  storage.faults.stall = false;
  await waiting;
  storage.faults.stall = true;
  const last = new AbortController();
  const abandoned = codeOf(() => blob.read(100 * MIB, 8 * MIB, last.signal));
  await eventually(() => storage.active > 0, 'it downloads again');
  last.abort();
  await abandoned;
  blob.close();
  await eventually(() => cache.stats().downloading === 0 && storage.active === 0, 'connections are closed');
  storage.faults.stall = false;
});

t.test('a storage that has another size is refused, and nothing of it is kept', async (t) => {
  for (const lie of [-1, 1, 5000]) {
    for (const silent of [false, true]) {
      if (silent && lie < 0) continue;
      const { storage, cache, folder } = await bench(t);
      Object.assign(storage.faults, { lie, silent, ignoreRange: silent });
      const blob = cache.open(storage.version(1, 100_000));
      const failure = await Promise.resolve(blob.read(0, 100_000, never)).catch((error: Failure) => error);
      if (silent) {
        // The bytes asked for were handed on before the storage had shown that it has more.
        await eventually(() => storage.active === 0, 'the reply ends');
        await eventually(() => !blob.whole, 'dropped');
      } else {
        t.ok(isFailure(failure, 'wrong-size'), `lie ${lie}`);
        t.match((failure as Failure).line, /file-1, but Procore says 100000/);
      }
      t.equal(blob.whole, false);
      blob.close();
      await cache.close();
      t.strictSame(filesOf(folder), []);
    }
  }
});

const filesOf = (folder: string): string[] =>
  readdirSync(join(folder, 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

t.test('a broken transfer goes on where it broke; one that never gets on fails in time', async (t) => {
  const { storage, cache } = await bench(t);
  const version = storage.version(1, 2 * MIB);
  Object.assign(storage.faults, { truncate: 300_000, truncations: 5 });
  const blob = cache.open(version);
  await same(t, blob, 1, 0, MIB, 'in spite of breaks');
  await eventually(() => cache.stats().downloading === 0, 'the rest');
  t.ok(
    storage.requests.some(({ start }) => start === 300_000),
    'only the rest was asked for again',
  );
  blob.close();

  const other = storage.version(2, 200_000);
  Object.assign(storage.faults, { truncate: 1000, truncations: Number.POSITIVE_INFINITY });
  const failing = cache.open(other);
  t.equal(await codeOf(() => failing.read(0, 200_000, never)), 'download-failed');
  storage.faults.truncations = 0;
  await same(t, failing, 2, 0, 200_000, 'the next read succeeds');
  failing.close();
});

t.test('a storage that ignores ranges is read once from the start', async (t) => {
  const { storage, cache } = await bench(t);
  storage.faults.ignoreRange = true;
  const blob = cache.open(storage.version(1, 5 * MIB));
  await same(t, blob, 1, 3 * MIB, 3 * MIB + 4096, 'from the middle');
  await same(t, blob, 1, 0, 5 * MIB, 'all');
  t.ok(storage.sent <= 6 * MIB, `${storage.sent} bytes left the storage`);
  blob.close();
});

t.test('what the source says for good reaches the reader at once, what may pass is tried again', async (t) => {
  const { storage, cache } = await bench(t);
  storage.faults.refuse = 404;
  const blob = cache.open(storage.version(1, 1000));
  t.equal(await codeOf(() => blob.read(0, 1000, never)), 'version-gone');
  t.equal(storage.requests.length, 1);
  storage.faults.refuse = 503;
  t.equal(await codeOf(() => blob.read(0, 1000, never)), 'server-error');
  t.ok(storage.requests.length > 2);
  storage.faults.refuse = undefined;
  await same(t, blob, 1, 0, 1000, 'and then it works');
  blob.close();
});

t.test('the limit holds by evicting what was used longest ago, never what is open', async (t) => {
  const { storage, cache, folder } = await bench(t, { limit: 10 * MIB });
  const versions = Array.from({ length: 30 }, (_, n) => storage.version(n + 1, 400_000));
  const kept = cache.open(versions[0]!);
  await same(t, kept, 1, 0, 400_000, 'open');
  for (const version of versions.slice(1)) {
    const blob = cache.open(version);
    await same(t, blob, version.id, 0, 400_000, `version ${version.id}`);
    blob.close();
    t.ok(cache.stats().bytes <= 10 * MIB, `${cache.stats().bytes} bytes`);
  }
  await eventually(() => cache.stats().downloading === 0, 'quiet');
  const { sent } = storage;
  await same(t, kept, 1, 0, 400_000, 'still here');
  const last = cache.open(versions.at(-1)!);
  await same(t, last, 30, 0, 400_000, 'the last is still here');
  t.equal(storage.sent, sent);
  const early = cache.open(versions[1]!);
  await same(t, early, 2, 0, 400_000, 'fetched again');
  t.equal(storage.sent, sent + 400_000);
  for (const blob of [kept, last, early]) blob.close();
  await cache.setLimit(MIB);
  t.ok(cache.stats().bytes <= MIB);
  t.ok(filesOf(folder).length <= 2);
});

t.test('caches that share a limit keep it together: what was used longest ago in any of them goes first', async (t) => {
  const shared = new CacheLimit();
  let passed = 0;
  const clock = { ...systemClock, now: () => Date.now() + passed };
  const benches = await Promise.all([1, 2].map(() => bench(t, { limit: 10 * MIB, clock, shared })));
  const used: { cache: ContentCache; version: ContentVersion }[] = [];
  for (const [n, which] of [0, 1, 0, 1, 1, 0].entries()) {
    passed += 5000;
    const { cache, storage } = benches[which]!;
    const version = storage.version(n + 1, 3 * MIB);
    const blob = cache.open(version);
    await same(t, blob, n + 1, 0, 3 * MIB, `file ${n + 1}`);
    await eventually(() => blob.whole, 'all is on disk');
    blob.close();
    used.push({ cache, version });
    t.ok(shared.occupied <= 10 * MIB, `${shared.occupied} bytes`);
  }
  const kept = used.map(({ cache, version }) => cache.has(version));
  t.strictSame(kept, [false, false, false, true, true, true]);
});

t.test('what was used longest ago goes first, also over restarts', async (t) => {
  let passed = 0;
  const clock = { ...systemClock, now: () => Date.now() + passed };
  const { storage, reopen } = await bench(t, { limit: 10 * MIB, clock });
  const versions = [1, 2, 3, 4].map((id) => storage.version(id, 3 * MIB));
  const use = async (id: number): Promise<ContentCache> => {
    passed += 5000;
    const cache = await reopen();
    const blob = cache.open(versions[id - 1]!);
    await same(t, blob, id, 0, 3 * MIB, `file ${id}`);
    await eventually(() => blob.whole, 'all is on disk');
    blob.close();
    return cache;
  };
  for (const id of [1, 2, 3, 1, 3]) await use(id);
  const cache = await use(4);
  t.strictSame(
    versions.map((version) => cache.has(version)),
    [true, false, true, true],
  );
});

t.test('a file larger than the limit, or than the free disk, is read without being stored', async (t) => {
  for (const options of [{ limit: 3 * MIB }, { reserve: Number.MAX_SAFE_INTEGER / 2 }]) {
    const { storage, cache } = await bench(t, options);
    const size = 24 * MIB;
    const blob = cache.open(storage.version(1, size));
    for (let at = 0; at < size; at += 131_072) {
      const bytes = await blob.read(at, 131_072, never);
      if (!contentOf(1, at, at + 131_072).equals(bytes)) t.fail(`wrong bytes at ${at}`);
    }
    t.equal(storage.sent, size, 'nothing twice');
    t.ok(cache.stats().bytes <= 3 * MIB);
    blob.close();
    await eventually(() => cache.stats().memory === 0, 'memory is given back');
  }
});

t.test('a disk that fills up meanwhile never shows to the reader', async (t) => {
  const [folder, remove] = temporaryFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', folder], { encoding: 'utf8' });
  t.teardown(() => {
    if (mounted.status === 0) spawnSync('umount', ['-l', folder]);
    remove();
  });
  if (mounted.status !== 0) {
    t.pass('without a small file system', { skip: `none can be mounted here: ${mounted.stderr}` });
    return;
  }
  const { storage, cache } = await bench(t, { folder });
  const size = 16 * MIB;
  const blob = cache.open(storage.version(1, size));
  for (let at = 0; at < size; at += 131_072) {
    if (at === 2 * MIB) fill(join(folder, 'ballast'));
    const bytes = await blob.read(at, 131_072, never);
    if (!contentOf(1, at, at + 131_072).equals(bytes)) t.fail(`wrong bytes at ${at}`);
  }
  t.equal(blob.whole, false, 'it did not fit');
  rmSync(join(folder, 'ballast'));
  blob.close();
  await eventually(() => cache.stats().memory === 0, 'memory is given back');
  await eventually(() => cache.stats().downloading === 0, 'quiet');
});

/** Uses up what is free where `path` is. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  try {
    for (;;) writeSync(fd, Buffer.alloc(65_536));
  } catch {
    closeSync(fd);
  }
}

t.test('a finished upload is adopted, and a whole blob handed out, by rename', async (t) => {
  const { storage, cache, folder } = await bench(t);
  const version = storage.version(1, 500_000);
  const staging = join(folder, 'staging');
  writeFileSync(staging, contentOf(1, 0, 500_000));
  t.equal(cache.adopt(staging, storage.version(2, 1)), false, 'not with another size');
  t.equal(cache.adopt(staging, version), true);
  const blob = cache.open(version);
  t.equal(blob.whole, true);
  await same(t, blob, 1, 0, 500_000, 'adopted bytes');
  const out = join(folder, 'out');
  t.equal(cache.take(version, out), true, 'also while it is read');
  t.ok(readFileSync(out).equals(contentOf(1, 0, 500_000)));
  blob.close();
  t.equal(cache.take(version, join(folder, 'again')), false, 'gone from the cache');
  t.equal(storage.requests.length, 0);
  t.equal(cache.stats().bytes, 0);
});

t.test('a cached file that was damaged behind our back is fetched again', async (t) => {
  const { storage, cache, folder, reopen } = await bench(t);
  const version = storage.version(1, 100_000);
  const blob = cache.open(version);
  await same(t, blob, 1, 0, 100_000, 'first');
  blob.close();
  const second = await reopen();
  for (const path of filesOf(folder)) writeFileSync(path, 'short');
  const again = second.open(version);
  await same(t, again, 1, 0, 100_000, 'again');
  t.equal(storage.sent, 200_000);
  again.close();
});

t.test('what is evicted while it is looked at counts once', async (t) => {
  const { storage, cache, folder } = await bench(t);
  const size = 20 * MIB;
  const staging = join(folder, 'staging');
  writeFileSync(staging, contentOf(1, 0, size));
  t.ok(cache.adopt(staging, storage.version(1, size)));
  // Its sums are being made now.
  await cache.setLimit(0);
  t.ok(cache.stats().bytes >= 0, `${cache.stats().bytes} bytes`);
  // It goes when it was looked at.
  for (let tries = 0; cache.stats().bytes > 0 && tries < 5000; tries++) {
    await cache.setLimit(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(cache.stats().bytes, 0);
  await eventually(() => filesOf(folder).length === 0, 'the file is gone');
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(cache.stats().bytes, 0, 'and stays so');
});

/** Changes one byte of a file. */
function flip(path: string, offset: number): void {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  byte[0]! ^= 1;
  writeSync(fd, byte, 0, 1, offset);
  closeSync(fd);
}

t.test(
  'a flipped bit on disk is found before anybody reads it, and only what is damaged is fetched again',
  async (t) => {
    const lines: string[] = [];
    const log = { ...silentLog, warn: (_details: unknown, line: string) => void lines.push(line) } as typeof silentLog;
    const { storage, cache, folder, reopen } = await bench(t, { log });
    const size = 3_000_000;
    const version = storage.version(1, size);
    const blob = cache.open(version);
    for (let at = 0; at < size; at += 100_000) await same(t, blob, 1, at, Math.min(size, at + 100_000), `from ${at}`);
    await eventually(() => blob.whole, 'all is on disk');
    t.ok(blob.sound, 'what was written by this process need not be read again');
    blob.close();

    const second = await reopen();
    flip(filesOf(folder)[0]!, 1_234_567);
    const before = storage.sent;
    const again = second.open(version);
    t.ok(again.whole);
    t.notOk(again.sound, 'not before it was looked at');
    await same(t, again, 1, 0, 100_000, 'what is not damaged');
    t.equal(storage.sent, before, 'comes from the disk');
    await same(t, again, 1, 1_200_000, 1_300_000, 'what is');
    t.ok(storage.sent > before && storage.sent - before <= 2 * 131_072, `${storage.sent - before} bytes were fetched`);
    await same(t, again, 1, 0, size, 'all of it');
    again.close();
    t.strictSame(lines, ['cached bytes are not what was written to the disk: they are fetched again']);

    const third = await reopen();
    const sent = storage.sent;
    flip(filesOf(folder)[0]!, size - 1);
    const last = third.open(version);
    t.notOk(await last.check(), 'nothing damaged is handed to the kernel');
    t.notOk(last.whole);
    await same(t, last, 1, 0, size, 'it is fetched');
    t.ok(storage.sent - sent <= 131_072, `${storage.sent - sent} bytes`);
    await eventually(() => last.whole, 'all is on disk');
    t.ok(last.sound, 'and then it is');
    last.close();
  },
);

t.test('while a large file is looked at, other work has its turn', async (t) => {
  const context = {
    buffers: new Buffers(),
    // The disk is so quick that all is read on the spot.
    files: { read: () => undefined },
    index: { sums: () => undefined, changed: () => undefined },
  };
  const version = { id: asVersionId(1), remoteId: asRemoteId(1), size: 64 * MIB, label: 'large' };
  const store = BlobStore.adopted(version, 1, context as unknown as StoreContext);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await store.check(never);
  isOver = true;
  t.ok(store.isChecked);
  t.ok(turns >= 60, `${turns} turns of the event loop`);
});

t.test('what comes from an upload has sums as well, and nothing damaged is handed out for editing', async (t) => {
  const { storage, cache, folder, reopen } = await bench(t);
  const size = 500_000;
  const version = storage.version(1, size);
  const staged = join(folder, 'staged');
  writeFileSync(staged, contentOf(1, 0, size));
  t.ok(cache.adopt(staged, version));
  const second = await reopen();
  await second.check(version);
  const third = await reopen();
  flip(filesOf(folder)[0]!, 400_000);
  await third.check(version);
  t.notOk(third.take(version, staged), 'it is not whole any more');
  const blob = third.open(version);
  await same(t, blob, 1, 0, size, 'right bytes');
  t.ok(storage.sent > 0 && storage.sent <= 131_072, `${storage.sent} bytes were fetched`);
  await eventually(() => blob.whole, 'all is on disk');
  blob.close();
  t.ok(third.take(version, staged));
  t.ok(readFileSync(staged).equals(contentOf(1, 0, size)));
});

t.test('what is fetched for later is the content that readers share', async (t) => {
  const { storage, cache } = await bench(t);
  const size = 6 * MIB;
  const version = storage.version(1, size);
  storage.faults.stall = true;
  const fetched = cache.fetch(version, never);
  await eventually(() => storage.active > 0, 'it is on its way');
  const blob = cache.open(version);
  const read = Promise.resolve(blob.read(0, MIB, never));
  storage.faults.stall = false;
  t.ok(contentOf(1, 0, MIB).equals(await read));
  t.ok(await fetched);
  t.ok(blob.whole, 'the reader has what was fetched');
  t.ok(storage.sent < 1.5 * size, `${storage.sent} bytes were sent`);
  blob.close();
});

t.test('nothing is written any more once the cache is closed', async (t) => {
  for (const begin of ['fetch', 'other size'] as const) {
    const { storage, cache } = await bench(t);
    const version = storage.version(1, 6 * MIB);
    storage.faults.stall = true;
    const begun = [cache.fetch(version, never).catch((error: Failure) => error.code)];
    await eventually(() => storage.active > 0, 'it is on its way');
    if (begin === 'other size') {
      const blob = cache.open({ ...version, size: 5 * MIB });
      begun.push(
        Promise.resolve(blob.read(0, MIB, never)).then(
          () => true,
          (error: Failure) => error.code,
        ),
      );
      await eventually(() => storage.active > 1, 'so is the other');
    }
    await cache.close();
    for (const one of begun) t.equal(await Promise.race([one, turn('it goes on')]), 'interrupted', begin);
    await eventually(() => storage.active === 0, 'all connections are closed');
    storage.faults.stall = false;
  }
});

t.test('an index that cannot be read costs what is cached, and no reader its bytes', async (t) => {
  const { storage, cache, folder } = await bench(t);
  const index = new Database(join(folder, 'cache.db'));
  index.exec('DROP TABLE sums');
  index.close();
  const blob = cache.open(storage.version(1, 3 * MIB));
  await same(t, blob, 1, 0, 3 * MIB, 'right bytes');
  t.notOk(blob.whole, 'what has no sums is not kept');
  blob.close();
});
