import { closeSync, openSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { isFailure } from '#src/base/errors.js';
import { contentOf, eventually } from '../support/content-storage.js';
import { takeDescriptors } from '../support/descriptors.js';
import { hostileContent } from '../support/hostile-content.js';

const SIZE = 400_000;
const never = new AbortController().signal;

t.test('what is cached stays so while nothing can be opened: reads wait, and fail in the end', async (t) => {
  const content = await hostileContent(t, 1);
  const version = content.storage.version(1, SIZE);
  const first = content.cache.open(version);
  await first.read(0, SIZE, never);
  await eventually(() => first.whole, 'all is on disk');
  first.close();
  const { total } = content.storage;
  const said = content.lines.length;

  const cache = await content.reopen();
  let give = takeDescriptors();
  try {
    const blob = cache.open(version);
    t.ok(blob.whole, 'it is known without being opened');
    const reads = [0, 1, 2].map((n) => blob.read(n * 100_000, 100_000, never));
    const large = blob.read(0, SIZE, never);
    t.notOk(await blob.check(), 'and not found sound');
    t.ok(blob.whole);
    for (let n = 0; n < 10; n++) await turn();
    give();
    for (const [n, read] of reads.entries())
      t.ok(contentOf(1, n * 100_000, (n + 1) * 100_000).equals(await read), 'a read that waited');
    t.ok(contentOf(1, 0, SIZE).equals(await large));
    blob.close();

    const third = await content.reopen();
    const again = third.open(version);
    give = takeDescriptors();
    const failure = await Promise.resolve(again.read(0, 1000, never)).catch((error: unknown) => error);
    t.ok(isFailure(failure, 'content-unreadable'), String(failure));
    give();
    t.ok(contentOf(1, 0, SIZE).equals(await again.read(0, SIZE, never)));
    again.close();
  } finally {
    give();
  }
  t.equal(content.storage.total, total, 'nothing was fetched again');
  const line = 'cached files cannot be read at the moment: reads wait for that';
  t.strictSame(content.lines.slice(said), [line, line], 'one line each time');
});

t.test('where descriptors are short, those that are only kept are given back', async (t) => {
  const content = await hostileContent(t, 1, { descriptors: 64 });
  const versions = Array.from({ length: 40 }, (_, n) => content.storage.version(n + 1, 5000));
  for (const version of versions) {
    const blob = content.cache.open(version);
    await blob.read(0, 5000, never);
    await eventually(() => blob.whole, 'all is on disk');
    blob.close();
  }
  const { total } = content.storage;
  const cache = await content.reopen();
  const read = async (id: number): Promise<void> => {
    const blob = cache.open(versions[id - 1]!);
    const bytes = await Promise.resolve(blob.read(0, 5000, never)).catch(() => new Uint8Array(0));
    t.ok(contentOf(id, 0, 5000).equals(bytes), `file ${id}`);
    blob.close();
  };
  for (let id = 1; id <= 20; id++) await read(id);
  const said = content.lines.length;
  const fds: number[] = [];
  const give = takeDescriptors(true);
  try {
    // Numbers in between may be free.
    for (;;)
      try {
        fds.push(openSync('/dev/null', 'r'));
      } catch {
        break;
      }
    for (let id = 21; id <= 40; id++) await read(id);
  } finally {
    give();
    for (const fd of fds) closeSync(fd);
  }
  t.equal(content.storage.total, total);
  t.equal(content.lines.length, said, 'nothing to tell');
});
