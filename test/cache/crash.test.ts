import { cpSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import { crashAgainAndAgain } from '../support/content-crash.js';
import { contentOf, eventually, temporaryFolder, versionOf } from '../support/content-storage.js';
import { directSource } from '../support/content-victim.js';

const never = new AbortController().signal;

t.test(
  'killed 20 times in the middle of its work, the cache serves only right bytes, and leaves no file behind',
  async (t) => {
    const [folder, remove] = temporaryFolder();
    t.teardown(remove);
    const report = await crashAgainAndAgain(folder, 20);
    t.strictSame(report.problems, []);
    t.ok(report.kept > 1_000_000, `${report.kept} bytes had survived`);
  },
);

t.test('after a power cut, what was not synced is fetched again, and what was synced is not', async (t) => {
  const [folder, remove] = temporaryFolder();
  const [image, removeImage] = temporaryFolder();
  t.teardown(() => {
    remove();
    removeImage();
  });
  const source = directSource();
  const open = (at: string, boot: string): ContentCache =>
    ContentCache.open({ folder: at, limit: 1e9, reserve: 0, source, log: silentLog, boot });
  const read = async (cache: ContentCache, id: number): Promise<boolean> => {
    const blob = cache.open(versionOf(id, 50_000));
    const bytes = await blob.read(0, 50_000, never);
    blob.close();
    return contentOf(id, 0, 50_000).equals(bytes);
  };
  const first = open(folder, 'one');
  await read(first, 1);
  await first.close();
  const second = open(folder, 'one');
  await read(second, 2);
  await eventually(() => second.stats().blobs === 2, 'recorded');
  // The moment of the power cut: the disk has the index, but not the bytes of the second blob.
  cpSync(folder, image, { recursive: true });
  await second.close();
  t.equal(blobsOf(image).length, 2);

  const sameBoot = open(image, 'one');
  let { fetched } = source;
  t.ok((await read(sameBoot, 1)) && (await read(sameBoot, 2)));
  t.equal(source.fetched, fetched, 'a crash of the process alone costs nothing');
  await sameBoot.close();

  removeImage();
  cpSync(folder, image, { recursive: true });
  const third = open(image, 'one');
  await read(third, 3);
  await eventually(() => third.stats().blobs === 3, 'recorded');
  const [cut, removeCut] = temporaryFolder();
  t.teardown(removeCut);
  cpSync(image, cut, { recursive: true });
  await third.close();
  for (const path of blobsOf(cut)) {
    if (blobsOf(folder).some((old) => old.endsWith(path.slice(path.lastIndexOf('/'))))) continue;
    // The size reached the disk, the bytes did not.
    truncateSync(path, 0);
    truncateSync(path, 50_000);
  }
  const otherBoot = open(cut, 'two');
  fetched = source.fetched;
  for (const id of [1, 2, 3]) t.ok(await read(otherBoot, id), `version ${id} is right`);
  t.equal(source.fetched, fetched + 50_000, 'only the one that was not synced');
  await otherBoot.close();
});

t.test('a file that no row names is removed at the next start', async (t) => {
  const [folder, remove] = temporaryFolder();
  t.teardown(remove);
  const options = { folder, limit: 1e9, reserve: 0, source: directSource(), log: silentLog };
  const first = ContentCache.open(options);
  const blob = first.open(versionOf(1, 1000));
  await blob.read(0, 1000, never);
  blob.close();
  await eventually(() => first.stats().blobs === 1, 'recorded');
  const [image, removeImage] = temporaryFolder();
  t.teardown(removeImage);
  cpSync(folder, image, { recursive: true });
  await first.close();
  const [kept] = blobsOf(image);
  writeFileSync(join(image, 'blobs', '000', String(4096 * 1000)), 'nobody knows me');
  const second = ContentCache.open({ ...options, folder: image });
  await eventually(() => blobsOf(image).length === 1, 'removed');
  t.strictSame(blobsOf(image), [kept]);
  await second.close();
});

function blobsOf(folder: string): string[] {
  return readdirSync(join(folder, 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
