import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { isFailure } from '#src/base/errors.js';
import type { OpenBlob } from '#src/cache/open-blob.js';
import { eventually } from '../support/content-storage.js';
import { hostileContent } from '../support/hostile-content.js';
import { bodyOf, type Kind } from '../support/hostile-storage.js';

const MIB = 2 ** 20;
const never = new AbortController().signal;

const filesOf = (folder: string): string[] =>
  readdirSync(join(folder, 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

/** What a read is answered with: the number of a content, or of a failure the code. */
async function answer(blob: OpenBlob, id: number, start: number, end: number): Promise<string> {
  try {
    const bytes = await blob.read(start, end - start, never);
    const n = [0, 1, 2, 3].find((n) => bodyOf(id, n, start, end).equals(bytes));
    return n === undefined ? 'other bytes' : `content ${n}`;
  } catch (error) {
    return isFailure(error) ? error.code : String(error);
  }
}

const SIZE = 300_000;

t.test('what is not the version is never handed out or kept, and its URL is renewed once', async (t) => {
  const wrong: Readonly<Partial<Record<Kind, string>>> = {
    gzip: 'content-encoded',
    'gzip of all': 'content-encoded',
    'chunked gzip': 'content-encoded',
    'chunked gzip of a range': 'content-encoded',
    'named gzip, and is not': 'content-encoded',
    'chunked and short': 'wrong-size',
    'chunked and long': 'wrong-size',
    'another size': 'wrong-size',
    'html page': 'wrong-size',
    'chunked html page': 'wrong-size',
    'redirect to a page': 'wrong-size',
    'length of another range': 'download-failed',
  };
  for (const [kind, code] of Object.entries(wrong) as [Kind, string][]) {
    const content = await hostileContent(t, 1);
    const { storage, cache, folder } = content;
    const blob = cache.open(storage.version(1, SIZE));
    storage.script.push(...Array<Kind>(4).fill(kind));
    t.equal(await answer(blob, 1, 1000, 200_000), code, kind);
    t.strictSame(filesOf(folder), [], `${kind}: nothing is kept`);
    const renewed = code === 'download-failed' ? 0 : 1;
    t.equal(content.calls, renewed, `${kind}: calls`);
    const paths = storage.requests.map(({ url }) => url);
    const first = storage.url(1, 0).slice(-4);
    t.equal(paths.filter((path) => path === first).length, renewed ? 1 : 4, `${kind}: ${paths.join(' ')}`);
    t.equal(await answer(blob, 1, 0, SIZE), 'content 0', `${kind}: and then it is right`);
    t.equal(content.calls, renewed, 'without another call');
    blob.close();
  }
});

t.test('one such reply among others is not seen by a reader', async (t) => {
  for (const kind of ['gzip', 'html page', 'chunked html page', 'chunked and short', 'etag of another'] as const) {
    const { storage, cache } = await hostileContent(t, 1);
    const blob = cache.open(storage.version(1, 3 * MIB));
    t.equal(await answer(blob, 1, 2 * MIB, 2 * MIB + 1000), 'content 0');
    storage.script.push(kind);
    t.equal(await answer(blob, 1, 0, MIB), 'content 0', kind);
    blob.close();
  }
});

t.test('what stands in between for long costs few calls', async (t) => {
  const content = await hostileContent(t, 1);
  const { storage, cache } = content;
  for (let id = 1; id <= 20; id++) {
    storage.script.push(...Array<Kind>(4).fill('html page'));
    const blob = cache.open(storage.version(id, SIZE));
    t.equal(await answer(blob, id, 0, SIZE), 'wrong-size');
    blob.close();
  }
  t.equal(content.calls, 1);
});

t.test('a whole version without a length is given out when all of it has come, and kept', async (t) => {
  for (const size of [1000, 5 * MIB + 1]) {
    const content = await hostileContent(t, 1);
    const { storage, cache, folder } = content;
    const blob = cache.open(storage.version(1, size));
    storage.script.push('chunked whole');
    t.equal(await answer(blob, 1, size - 900, size), 'content 0');
    await eventually(() => blob.whole, 'all of it is kept');
    t.equal(storage.total, 1);
    t.equal(filesOf(folder).length, 1, 'and nothing else');
    blob.close();
  }
  const { storage, cache } = await hostileContent(t, 1, { limit: MIB });
  const blob = cache.open(storage.version(1, 5 * MIB));
  storage.script.push(...Array<Kind>(4).fill('chunked whole'));
  t.equal(await answer(blob, 1, 0, 1000), 'download-failed', 'what has no room to wait');
  blob.close();
});

t.test('bytes of two contents of one length do not come together', async (t: Test) => {
  const content = await hostileContent(t, 1);
  const { storage, cache } = content;
  const version = storage.version(2, 3 * MIB);
  const first = cache.open(version, { ahead: 'never' });
  t.equal(await answer(first, 2, 0, 10_000), 'content 0');
  storage.script.push('changes for good');
  t.equal(await answer(first, 2, MIB, MIB + 10_000), 'version-changed', 'where the old one was seen');
  t.equal(storage.requests.at(-1)!.headers['if-range'], undefined, 'what was here is forgotten');
  t.ok(
    storage.requests.some(({ headers }) => headers['if-range'] === '"2-0"'),
    'the storage was asked whether it is the same',
  );
  t.equal(content.calls, 1, 'by another URL as well');
  const second = cache.open(version, { ahead: 'never' });
  t.equal(await answer(second, 2, 0, 10_000), 'content 1');
  t.equal(await answer(second, 2, MIB, MIB + 10_000), 'content 1');
  t.equal(await answer(first, 2, 0, 10_000), 'version-changed');
  first.close();
  second.close();

  const later = await content.reopen();
  storage.script.push('changes for good');
  const third = later.open(version, { ahead: 'never' });
  t.equal(await answer(third, 2, 2 * MIB, 2 * MIB + 10_000), 'content 2', 'also over a restart');
  t.equal(await answer(third, 2, 0, 10_000), 'content 2');
  third.close();
});

t.test('a read that has a part of the old content begins anew with the new one', async (t) => {
  const { storage, cache } = await hostileContent(t, 1);
  const version = storage.version(2, 3 * MIB);
  const first = cache.open(version, { ahead: 'never' });
  t.equal(await answer(first, 2, MIB, MIB + 100_000), 'content 0');
  first.close();
  storage.script.push('changes for good');
  const second = cache.open(version, { ahead: 'never' });
  t.equal(await answer(second, 2, MIB - 50_000, MIB + 200_000), 'content 1');
  second.close();
});
