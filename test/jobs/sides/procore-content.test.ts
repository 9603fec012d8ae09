import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import { cachedContent } from '#src/project/endpoint/procore-content.js';
import { contentOf, temporaryFolder, versionOf } from '../../support/content-storage.js';

const SIZE = 300_000;
const { signal } = new AbortController();

t.test('the file of a cached version is handed out only while it is what was written there', async (t) => {
  const [folder, remove] = temporaryFolder();
  t.teardown(remove);
  const version = versionOf(1, SIZE);
  const bytes = contentOf(1, 0, SIZE);
  const open = (): ContentCache =>
    ContentCache.open({
      folder,
      limit: 2 ** 28,
      reserve: 0,
      log: silentLog,
      source: {
        fetch: async (_version, start, end) => ({
          total: SIZE,
          chunks: Readable.from([bytes.subarray(start, end)], { objectMode: false }),
        }),
      },
    });
  const first = open();
  t.ok(await first.fetch(version, signal));
  await first.close();

  const second = open();
  const sound = await cachedContent(second, version);
  const read = Buffer.alloc(SIZE);
  t.equal(readSync(sound.descriptor!, read, 0, SIZE, 0), SIZE);
  t.ok(read.equals(bytes), 'whole and sound: by its descriptor');
  sound.close();
  await second.close();

  const path = (readdirSync(join(folder, 'blobs'), { recursive: true }) as string[])
    .map((name) => join(folder, 'blobs', name))
    .find((one) => statSync(one).isFile() && statSync(one).size === SIZE)!;
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from('damaged'), 0, 7, 150_000);
  closeSync(fd);
  const third = open();
  t.teardown(() => third.close());
  const damaged = await cachedContent(third, version);
  t.equal(damaged.descriptor, undefined, 'damaged on the disk: not by its descriptor');
  t.ok((await buffer(await damaged.open(0, signal))).equals(bytes), 'what is damaged is fetched again');
  damaged.close();
});
