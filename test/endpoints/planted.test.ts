import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { RemoteTarget } from '#src/endpoints/remote/remote-target.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import { openWatched, save, TRASH } from '../support/detached-victim.js';
import { contentOf } from '../support/jobs.js';
import { Quirky } from '../support/quirky-targets.js';
import { failsWith, listed, signal } from './conformance.js';

const top = mkdtempSync(join(tmpdir(), 'procorefs-planted-'));
t.teardown(() => rmSync(top, { recursive: true, force: true }));

function folderOf(name: string): string {
  const folder = join(top, name);
  mkdirSync(folder);
  return folder;
}

t.test('a link in place of a note in the trash leads nothing to where it points', async (t) => {
  for (const link of [symlinkSync, linkSync]) {
    const folder = folderOf(link.name);
    const other = join(folder, 'other');
    writeFileSync(other, 'somebody wrote this');
    writeFileSync(join(folder, 'file'), 'seen');
    mkdirSync(join(folder, '.procorefs-trash'));
    link(other, join(folder, '.procorefs-trash', `${TRASH.day}.keep-${TRASH.days}.${TRASH.job}.json`));
    const target = await openWatched('folder', folder, '', () => undefined);
    await target.discard((await target.stat('file', signal))!, { trash: TRASH, signal });
    await target.close();
    t.equal(readFileSync(other, 'utf8'), 'somebody wrote this', link.name);
    t.notOk(existsSync(join(folder, 'file')));
  }
});

t.test('a file in place of a folder keeps nobody waiting for ever', async (t) => {
  const folder = folderOf('file for folder');
  save(join(folder, 'file'), 'seen');
  save(join(folder, '.procorefs-trash', TRASH.day), 'no folder');
  const target = await openWatched('folder', folder, '', () => undefined);
  const seen = (await target.stat('file', signal))!;
  await failsWith(t, 'target-exists', () => target.discard(seen, { trash: TRASH, signal }));
  t.strictSame(contentOf(folder), { file: 'seen' });
  await target.close();

  save(join(folder, 'tree', 'file'), 'seen');
  const state = { looks: 0 };
  const isAway = (): boolean =>
    readdirSync(join(folder, 'tree')).some((name) => name.startsWith('.procorefs-aside') && ++state.looks === 2);
  const other = await openWatched('folder', folder, '', () => {
    if (!statSync(join(folder, 'tree')).isDirectory() || !isAway()) return;
    renameSync(join(folder, 'tree'), join(folder, 'moved'));
    writeFileSync(join(folder, 'tree'), 'a file');
  });
  rmSync(join(folder, '.procorefs-trash', TRASH.day));
  const inside = (await other.stat('tree/file', signal))!;
  await failsWith(t, 'target-exists', () => other.discard(inside, { trash: TRASH, signal }));
  await other.close();
  const whole = await openWatched('folder', folder, '', () => undefined);
  t.strictSame(
    (await listed(whole, 'moved')).map((item) => item.name),
    ['file'],
    'what stayed detached comes back',
  );
  await whole.close();
});

t.test('a server that never lets anything into the trash keeps nobody waiting for ever', async (t) => {
  for (const says of ['that it is free', 'that it is taken']) {
    const folder = folderOf(says);
    save(join(folder, 'file'), 'seen');
    const storage = new Quirky(folder, { title: 'stubborn' });
    const [look, rename] = [storage.look.bind(storage), storage.rename.bind(storage)];
    storage.look = (path, ...words) =>
      /^\.procorefs-trash\/[\d-]+\/f/.test(path) && says.endsWith('taken')
        ? Promise.resolve({ name: 'file', folder: false, size: 1, mtime: 1 })
        : look(path, ...words);
    storage.rename = async (from, to, ...words) => {
      if (to.includes('/file')) throw new Failure('target-exists', { target: 'stubborn', path: to });
      await rename(from, to, ...words);
    };
    const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'stubborn'));
    const seen = (await target.stat('file', signal))!;
    await failsWith(t, 'target-exists', () => target.discard(seen, { trash: TRASH, signal }), says);
    await target.close();
    t.strictSame(contentOf(folder), { file: 'seen' });
  }
});

t.test('what somebody writes into the new content before it makes room again is kept', async (t) => {
  const folder = folderOf('exchange');
  const file = join(folder, 'file');
  const [bytes, edited] = [Buffer.from('from the job'), 'from the job, and from me'];
  const content = { open: async (start: number) => Readable.from([bytes.subarray(start)], { objectMode: false }) };
  const isComplete = (): boolean =>
    readdirSync(folder).some((name) => name.startsWith('.procorefs-part') && statSync(join(folder, name)).size === 12);
  const state = { calls: 0, saves: 0, isEdited: false };
  const target = await openWatched('folder', folder, '', () => {
    const found = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
    if (isComplete() && ++state.calls === state.saves) save(file, 'unseen');
    else if (found === String(bytes)) {
      appendFileSync(file, ', and from me');
      state.isEdited = true;
    }
  });
  for (state.saves = 1; !state.isEdited; state.saves++) {
    save(file, 'seen');
    const seen = (await target.stat('file', signal))!;
    state.calls = 0;
    const write = target.write('file', content, { size: bytes.length, expected: seen, signal });
    await t.rejects(write, { code: 'target-changed' });
  }
  await target.close();
  t.strictSame(Object.values(contentOf(folder)).sort(), [edited, 'unseen']);
});

t.test('what a server calls its items is no path', async (t) => {
  const folder = folderOf('names');
  writeFileSync(join(folder, 'a'), 'a');
  const storage = new Quirky(folder, { title: 'hostile' });
  const entries = storage.entries.bind(storage);
  const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'hostile'));
  for (const end of ['../../x', 'x/', 'a\0b']) {
    const name = `.procorefs-aside-abcd-1-1-1-00000000-00000000-${end}`;
    storage.entries = async (...words) => [...(await entries(...words)), { name, folder: false, size: 1, mtime: 1 }];
    t.strictSame(
      (await listed(target, '')).map((item) => item.name),
      ['a'],
      JSON.stringify(end),
    );
  }
  await target.close();
});

t.test('a file that is saved while a folder of an object store goes stays', async (t) => {
  const folder = folderOf('objects');
  for (const name of ['a', 'b', 'c']) save(join(folder, 'tree', name), 'seen');
  const storage = new Quirky(folder, { title: 'objects', emptyFolders: false, publishes: true });
  const remove = storage.removeFile.bind(storage);
  storage.removeFile = async (...words) => {
    await remove(...words);
    if (words[0] === 'tree/a') save(join(folder, 'tree', 'c'), 'somebody wrote this');
  };
  const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'objects'));
  const seen = (await target.stat('tree', signal))!;
  const discard = () => target.discard(seen, { isSeen: ({ size }) => size === 4, signal });
  await failsWith(t, 'target-changed', discard);
  await target.close();
  t.strictSame(contentOf(folder), { 'tree/c': 'somebody wrote this' });
});
