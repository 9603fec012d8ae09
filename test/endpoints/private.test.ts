import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { openTarget } from '#src/endpoints/open.js';
import { partPath } from '#src/endpoints/paths.js';
import type { Content, Target } from '#src/endpoints/target.js';
import { listed, signal } from './conformance.js';

const top = mkdtempSync(join(tmpdir(), 'procorefs-private-'));
const umask = process.umask();
t.teardown(() => {
  process.umask(umask);
  rmSync(top, { recursive: true, force: true });
});

const modeOf = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8);

/** Content of which each chunk notes the permissions that the file in the making has by then. */
const watched = (folder: string, seen: string[]): Content => ({
  open: async () =>
    Readable.from(
      (function* () {
        for (const letter of 'abc') {
          for (const name of readdirSync(folder)) if (name.includes('-part-')) seen.push(modeOf(join(folder, name)));
          yield Buffer.from(letter);
        }
      })(),
      { objectMode: false },
    ),
});

for (const mask of [0, 0o022, 0o277])
  t.test(`private items are for their owner alone from the first moment, with umask ${mask.toString(8)}`, async (t) => {
    const root = mkdtempSync(join(top, 'root-'));
    const target: Target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
    t.teardown(() => target.close());
    process.umask(mask);
    const seen: string[] = [];
    const write = (path: string, more: object, content = watched(join(root, path, '..'), seen)) =>
      target.write(path, content, { size: 3, expected: null, signal, ...more });
    await target.mkdir('closed', signal, { private: true });
    t.equal(modeOf(join(root, 'closed')), '700');
    t.match(await write('closed/private', { private: true }), { ownerOnly: true });
    t.equal(modeOf(join(root, 'closed', 'private')), '600');
    t.strictSame(new Set(seen), new Set(['600']), 'at no moment otherwise');
    if (mask === 0o277) return;
    await write('public', {});
    t.equal(modeOf(join(root, 'public')), (0o666 & ~mask).toString(8), 'others are as the umask says');
    await target.mkdir('open/below', signal);
    t.equal(modeOf(join(root, 'open/below')), (0o777 & ~mask).toString(8));
    t.match(await listed(target, ''), [{ ownerOnly: true }, { ownerOnly: undefined }, { ownerOnly: undefined }]);

    await target.protect('open', signal);
    await target.protect('public', signal);
    t.strictSame([modeOf(join(root, 'open')), modeOf(join(root, 'public'))], ['700', '600'], 'private later');

    // What broke off while it was not private.
    const options = { size: 3, version: '1' };
    const part = join(root, partPath('continued', options));
    writeFileSync(part, '');
    chmodSync(part, 0o666);
    seen.length = 0;
    await write('continued', { ...options, private: true });
    t.strictSame(new Set(seen), new Set(['600']));
    t.equal(modeOf(join(root, 'continued')), '600');
  });

t.test('new content of a file keeps who may read it, and never more than that', async (t) => {
  const root = mkdtempSync(join(top, 'root-'));
  process.umask(0o022);
  const target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  t.teardown(() => target.close());
  for (const [before, more, after] of [
    [0o600, {}, '600'],
    [0o640, {}, '640'],
    [0o6755, {}, '755'],
    [0o4700, { private: true }, '700'],
    [0o664, { private: true }, '600'],
  ] as const) {
    const path = join(root, 'file');
    writeFileSync(path, 'old');
    chmodSync(path, before);
    const seen: string[] = [];
    await target.write('file', watched(root, seen), { size: 3, signal, ...more });
    t.equal(modeOf(path), after, before.toString(8));
    t.equal(readFileSync(path, 'utf8'), 'abc');
    t.strictSame(new Set(seen), new Set(['600']), 'and nobody else reads it meanwhile');
  }
});

t.test('many small files together are private where they are to be', async (t) => {
  const root = mkdtempSync(join(top, 'root-'));
  process.umask(0o022);
  const target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  t.teardown(() => target.close());
  mkdirSync(join(root, 'files'));
  const source = join(root, 'source');
  writeFileSync(source, 'abc');
  const descriptor = openSync(source, 'r');
  t.teardown(() => closeSync(descriptor));
  const content: Content = { descriptor, open: async () => Readable.from([Buffer.from('abc')], { objectMode: false }) };
  const items = [];
  for (let n = 0; n < 40; n++)
    items.push(await target.write(`files/${n}`, content, { size: 3, expected: null, private: n % 2 === 0, signal }));
  for (const [n, item] of items.entries()) {
    t.equal(modeOf(join(root, 'files', String(n))), n % 2 === 0 ? '600' : '644');
    t.equal(item.ownerOnly, n % 2 === 0 ? true : undefined);
  }
});

t.test('the trash shows nobody what they could not see before', async (t) => {
  const root = mkdtempSync(join(top, 'root-'));
  process.umask(0o022);
  const target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  t.teardown(() => target.close());
  const trash = { day: '2026-01-01', days: 30, job: 'job', by: 'a job' };
  await target.mkdir('open/closed', signal, { private: true });
  await target.mkdir('open/closed/inner', signal);
  for (const path of ['open/one', 'open/closed/two', 'open/closed/inner/three']) {
    writeFileSync(join(root, path), path);
    await target.discard((await target.stat(path, signal))!, { trash, signal });
  }
  const place = join(root, '.procorefs-trash/2026-01-01/open');
  t.strictSame([place, join(place, 'closed'), join(place, 'closed/inner')].map(modeOf), ['755', '700', '755']);
  t.equal(readFileSync(join(place, 'closed/inner/three'), 'utf8'), 'open/closed/inner/three');
});
