import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type DetachedFolders, withHiddenPath } from '#src/endpoints/detached-names.js';
import { FolderTarget } from '#src/endpoints/folder/folder-target.js';
import { identityOf } from '#src/endpoints/folder/identity.js';
import { FolderRoot, type OpenFolder } from '#src/endpoints/folder/root.js';
import { RemoteTarget } from '#src/endpoints/remote/remote-target.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import { rulesOf } from '#src/endpoints/rules.js';
import { KINDS, openWatched, save, TRASH, WORKS } from '../support/detached-victim.js';
import { contentOf, trashOf } from '../support/jobs.js';
import { Quirky } from '../support/quirky-targets.js';
import { failsWith, listed, signal, write } from './conformance.js';

const top = mkdtempSync(join(tmpdir(), 'procorefs-aside-'));
const children = new Set<ChildProcess>();
t.teardown(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(top, { recursive: true, force: true });
});

const program = fileURLToPath(new URL('../support/detached-victim-process.js', import.meta.url));
const open = (kind: (typeof KINDS)[number], folder: string) =>
  openWatched(kind, folder, `${folder} staging`, () => undefined);

/** For names that fit. */
const NO_FOLDERS: DetachedFolders = {
  make: () => Promise.reject(new Error('the name fits')),
  remove: () => Promise.reject(new Error('the name fits')),
};

/** Of what was thrown away today, how long it stays. */
const notesOf = (folder: string): string[] =>
  readdirSync(join(folder, '.procorefs-trash'))
    .filter((name) => name.endsWith('.json') && !name.startsWith(TRASH.day))
    .map((name) => name.slice('2026-01-31.'.length, -'.json'.length));

/** Contents of live files, in order, whatever they are called. */
const live = (folder: string): string[] => Object.values(contentOf(folder)).sort();

for (const kind of KINDS)
  for (const work of WORKS)
    for (const [isKept, length] of [
      [true, 4],
      [false, 4],
      [true, 254],
    ] as const)
      t.test(`kill -9 of a ${kind}: ${work}${isKept ? ', into the trash' : ''}, ${length} bytes`, async (t) => {
        // Whether it is in a folder of its own tells nothing more than that.
        for (const isUnseen of length === 4 ? [true, false] : [work !== 'replace file']) {
          const text = isUnseen ? 'unseen' : 'seen';
          const name = (work.endsWith('tree') ? 'tree' : 'file').padEnd(length, '-');
          const folder = join(top, [kind, work, isKept, length, text].join(' '));
          mkdirSync(folder);
          const words = [kind, work, String(isUnseen), String(isKept), name, folder];
          const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
          children.add(child);
          const ended = once(child, 'exit');
          t.equal(String((await once(child.stdout, 'data'))[0]), 'away\n');
          const path = work.endsWith('tree') ? `${name}/inside` : name;
          const isReplaced = kind === 'folder' && work === 'replace file';

          // While somebody is about it, it is left alone, and not missing.
          const other = await open(kind, folder);
          t.teardown(() => other.close());
          t.strictSame(
            (await listed(other, '')).map((item) => item.name),
            isReplaced ? [name] : [],
          );
          t.equal(await other.isDetached(name, signal), true, 'it is on its way');
          t.equal(await other.isDetached('another', signal), false);

          child.kill('SIGKILL');
          await ended;
          children.delete(child);
          const shown = await listed(other, '');
          const hasConflict = isReplaced && isUnseen;
          t.equal(shown.length, hasConflict ? 2 : 1, 'the next listing shows what came back');
          t.equal(await other.isDetached(name, signal), false);
          if (isReplaced) {
            t.strictSame(live(folder), isUnseen ? ['from the job', 'unseen'] : ['from the job']);
            t.equal(contentOf(folder)[name], 'from the job');
            t.strictSame(trashOf(folder), isUnseen ? [] : ['seen']);
            if (!isUnseen)
              t.strictSame(notesOf(folder), isKept ? ['keep-30.a'] : ['keep-30.unknown'], 'and for how long');
          } else {
            t.match(contentOf(folder), { [path]: text }, 'under its name');
            t.strictSame(trashOf(folder), []);
          }
          t.strictSame(
            readdirSync(folder).filter((one) => one.includes('aside')),
            [],
          );
          // What was seen leaves with the next attempt.
          if (isReplaced) continue;
          const now = (await other.stat(name, signal))!;
          await other.discard(now, { signal, isSeen: () => true, ...(isKept ? { trash: TRASH } : {}) });
          t.strictSame(trashOf(folder), isKept ? [text] : []);
          t.equal(existsSync(join(folder, name)), false);
        }
      });

t.test('no hidden name is longer than some targets take, and nothing of it is left when all goes well', async (t) => {
  const folder = join(top, 'long');
  mkdirSync(folder);
  const name = `${'n'.repeat(250)}.txt`;
  let during: string[] = [];
  const target = await openWatched('folder', folder, '', () => {
    during = [...during, ...readdirSync(folder).filter((one) => one.startsWith('.procorefs-aside-'))];
  });
  t.teardown(() => target.close());
  for (const trash of [{ trash: { ...TRASH, job: '4f2d8f4e-6b0c-4e0c-9a51-0f5c1f1f7c11' } }, {}]) {
    writeFileSync(join(folder, name), 'x');
    await target.discard((await target.stat(name, signal))!, { signal, ...trash });
  }
  t.ok(during.length > 0 && during.every((one) => Buffer.byteLength(one) <= 200));
  t.strictSame(readdirSync(folder), ['.procorefs-trash']);
});

t.test('bytes of a job that were about to take a name go to the trash, whatever has the name', async (t) => {
  for (const isFree of [false, true]) {
    const folder = join(top, `ours ${isFree}`);
    mkdirSync(folder);
    const target = await open('folder', folder);
    t.teardown(() => target.close());
    save(join(folder, 'file'), 'seen');
    save(join(folder, 'part'), 'from the job');
    const [seen, ours] = ['file', 'part'].map((name) => identityOf(lstatSync(join(folder, name)), false));
    await withHiddenPath('file', { seen: seen!, ours }, NO_FOLDERS, async (at) =>
      renameSync(join(folder, 'part'), join(folder, at)),
    );
    if (isFree) rmSync(join(folder, 'file'));
    t.equal((await listed(target, '')).length, isFree ? 0 : 1);
    t.strictSame(contentOf(folder), isFree ? {} : { file: 'seen' });
    t.strictSame(trashOf(folder), ['from the job']);
  }
});

t.test(
  'what a listing does not show is looked for among the detached once more, and once for the folder',
  async (t) => {
    for (const kind of KINDS) {
      const folder = join(top, `once more ${kind}`);
      mkdirSync(folder);
      const target = await open(kind, folder);
      t.teardown(() => target.close());
      // As where it is renamed in the middle of the listing.
      await listed(target, '');
      save(join(folder, 'sub/file'), 'seen');
      await listed(target, 'sub');
      const seen = { seen: 'whatever' };
      await withHiddenPath('sub/file', seen, NO_FOLDERS, async (at) => {
        renameSync(join(folder, 'sub/file'), join(folder, at));
        t.equal(await target.isDetached('sub/file', signal), true);
        t.equal(await target.isDetached('sub/FILE', signal), true, 'a target may fold case');
        t.equal(await target.isDetached('sub/other', signal), false);
        t.equal(await target.isDetached('none/file', signal), false);
        await withHiddenPath('sub/later', seen, NO_FOLDERS, async (later) => {
          save(join(folder, later), 'x');
          t.equal(await target.isDetached('sub/later', signal), false, 'that began when the folder had been looked at');
          await listed(target, 'sub');
          t.equal(await target.isDetached('sub/later', signal), true);
        });
      });
    }
  },
);

t.test('what other machines have detached is theirs for an hour', async (t) => {
  const folder = join(top, 'others');
  mkdirSync(folder);
  const target = await open('storage', folder);
  t.teardown(() => target.close());
  const nameOf = (time: number, of: string): string =>
    `.procorefs-aside-0000-1-${time.toString(36)}-0-12345678-00000000-${of}`;
  save(join(folder, nameOf(Date.now() - 10 * 60_000, 'young')), 'young');
  save(join(folder, nameOf(Date.now() - 2 * 3600_000, 'old')), 'old');
  t.strictSame(
    (await listed(target, '')).map(({ name }) => name),
    ['old'],
  );
  t.equal(await target.isDetached('young', signal), true);
});

t.test('a file that somebody overwrites right after it got its name is changed, not damaged', async (t) => {
  for (const before of [undefined, 'old']) {
    const folder = join(top, `right after ${before}`);
    mkdirSync(folder);
    if (before) save(join(folder, 'file'), before);
    const root = await FolderRoot.open(folder, undefined);
    const plain = root.folder.bind(root);
    let act: (() => void) | undefined;
    // The folder goes onto the disk once the file has its name.
    root.folder = (path, use) =>
      plain(path, (one) => {
        const handle = Object.create(one.handle) as OpenFolder['handle'];
        handle.sync = async () => {
          act?.();
          act = undefined;
        };
        Object.defineProperty(handle, 'fd', { value: one.handle.fd });
        return use({ at: one.at, handle });
      });
    const target = new FolderTarget(root, rulesOf('linux', { replacesAtOnce: true }));
    const bytes = Buffer.from('from the job');
    for (const [text, what] of [
      ['longer than what the job brought', 'another size'],
      ['of one size!', 'the same size'],
      [undefined, 'removed'],
    ] as const) {
      const expected = (await target.stat('file', signal)) ?? null;
      act = () => (text === undefined ? rmSync(join(folder, 'file')) : save(join(folder, 'file'), text));
      await failsWith(t, 'target-changed', () => write(target, 'file', bytes, { expected }), what);
      t.strictSame(contentOf(folder), text === undefined ? {} : { file: text });
    }
    await target.close();
  }
});

t.test('a file that somebody overwrites in a storage right after it got its name is changed as well', async (t) => {
  for (const quirks of [{ publishes: true }, { times: 'none' }] as const) {
    const folder = join(top, `right after ${Object.keys(quirks)}`);
    mkdirSync(folder);
    const storage = new Quirky(folder, { title: 'storage', ...quirks });
    let act: ((path: string) => void) | undefined;
    for (const method of ['put', 'rename'] as const) {
      const plain = storage[method].bind(storage) as (...words: unknown[]) => Promise<void>;
      Object.assign(storage, {
        [method]: async (...words: unknown[]) => {
          await plain(...words);
          if (words[1] === 'file') act?.(join(folder, 'file'));
        },
      });
    }
    const target = new RemoteTarget(storage, new StorageStaging(`${folder} staging`, 'storage'));
    t.teardown(() => target.close());
    for (const trash of [{ trash: TRASH }, {}])
      for (act of [(path: string) => save(path, 'somebody'), (path: string) => rmSync(path)]) {
        const expected = (await target.stat('file', signal)) ?? null;
        const bytes = Buffer.from('from the job');
        await failsWith(t, 'target-changed', () => write(target, 'file', bytes, { expected, ...trash }));
      }
    t.strictSame(contentOf(folder), {});
    t.strictSame(trashOf(folder), ['somebody']);
  }
});

t.test('what targets keep for themselves is listed nowhere, and stays where a folder goes', async (t) => {
  for (const kind of KINDS) {
    const folder = join(top, `own of ${kind}`);
    for (const path of [
      '.procorefs-trash/2026-01-01/x',
      '.procorefs-part-x',
      '.procorefs-aside-x',
      '.procorefs-later/x',
    ])
      for (const at of ['', 'sub/', 'sub/deep/']) save(join(folder, at + path), path);
    save(join(folder, 'sub/deep/file'), 'file');
    const target = await open(kind, folder);
    t.teardown(() => target.close());
    const names = async (at: string) => (await listed(target, at)).map(({ name }) => name);
    t.strictSame([await names(''), await names('sub'), await names('sub/deep')], [['sub'], ['deep'], ['file']]);
    for (const path of ['sub/.procorefs-trash/x', 'sub/deep/.procorefs-later'])
      await failsWith(t, 'target-name-refused', () => write(target, path, Buffer.from('x')), path);
    const sub = (await target.stat('sub', signal))!;
    await failsWith(t, 'target-changed', () => target.discard(sub, { signal, isSeen: () => true }), 'for good');
    t.equal(readFileSync(join(folder, 'sub/.procorefs-trash/2026-01-01/x'), 'utf8').length, 29);
    await target.discard(sub, { signal, isSeen: () => true, trash: TRASH });
    t.equal(statSync(join(folder, '.procorefs-trash/2026-01-31/sub/.procorefs-trash/2026-01-01/x')).isFile(), true);
  }
});
