import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { FolderTarget } from '#src/endpoints/folder/folder-target.js';
import { nameFile, nameFileNow, renameNoReplace } from '#src/endpoints/folder/rename.js';
import { FolderRoot } from '#src/endpoints/folder/root.js';
import { partPath } from '#src/endpoints/paths.js';
import { RemoteTarget } from '#src/endpoints/remote/remote-target.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import { rulesOf } from '#src/endpoints/rules.js';
import type { Target } from '#src/endpoints/target.js';
import { unmountAfter } from '../support/afterwards.js';
import { TRASH } from '../support/detached-victim.js';
import { contentOf } from '../support/jobs.js';
import { Quirky } from '../support/quirky-targets.js';
import { ServerFolder, serveSsh } from '../support/target-servers.js';
import { failsWith, listed, signal, write } from './conformance.js';

const top = mkdtempSync(join(tmpdir(), 'procorefs-discard-'));
t.teardown(() => rmSync(top, { recursive: true, force: true }));

interface Watched {
  readonly target: Target;
  readonly folder: string;
  /** What somebody does once, when the target has looked and is about to rename. */
  next(act: () => void): void;
}

/** A folder of a share that is mounted, where names cannot be exchanged. */
async function shareTarget(name: string): Promise<Watched> {
  const server = new ServerFolder();
  t.teardown(() => server.remove());
  const sshd = await serveSsh(server);
  t.teardown(() => sshd.kill());
  const mountpoint = join(top, 'share of', name);
  mkdirSync(mountpoint, { recursive: true });
  const ssh = ['-p', String(sshd.port), '-o', `IdentityFile=${server.at('client')}`];
  const known = ['-o', `UserKnownHostsFile=${server.at('known_hosts')}`, '-o', 'cache=no'];
  execFileSync('sshfs', [`${userInfo().username}@127.0.0.1:${server.files}`, mountpoint, ...ssh, ...known]);
  unmountAfter(t, mountpoint);
  return folderTarget(name, mountpoint);
}

/** A folder of this machine: the second time that it goes into a folder, it has seen what it is about to change. */
async function folderTarget(name: string, folder = join(top, name)): Promise<Watched> {
  mkdirSync(folder, { recursive: true });
  const root = await FolderRoot.open(folder, undefined);
  let [act, calls] = [undefined as (() => void) | undefined, 0];
  const plain = root.folder.bind(root);
  root.folder = (...words) => {
    if (act && ++calls === 2) {
      act();
      act = undefined;
    }
    return plain(...words);
  };
  const rules = rulesOf('linux', { replacesAtOnce: true, resumes: true });
  return { target: new FolderTarget(root, rules), folder, next: (one) => void ([act, calls] = [one, 0]) };
}

/** A storage that is asked by a protocol, whose commands come one after the other. */
async function remoteTarget(name: string): Promise<Watched> {
  const folder = join(top, name);
  mkdirSync(folder);
  const storage = new Quirky(folder, { title: name });
  let act: (() => void) | undefined;
  const plain = storage.rename.bind(storage);
  storage.rename = (...words) => {
    act?.();
    act = undefined;
    // As servers of shares do, and as the shell is asked to.
    if (existsSync(storage.place(words[1])))
      throw new Failure('target-exists', { target: name, path: words[1], why: 'it is taken' });
    return plain(...words);
  };
  return {
    target: new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'x')),
    folder,
    next: (one) => void (act = one),
  };
}

/** All that is there, the trash as well; by content. */
function everything(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile() && !path.endsWith('.json'))
    .map((path) => readFileSync(path, 'utf8'))
    .sort();
}

/** As a program saves: a new file in place of the old one. */
function save(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}~`, text);
  renameSync(`${path}~`, path);
}

const lacksSshfs =
  existsSync('/usr/bin/sshfs') && existsSync('/usr/sbin/sshd') ? false : 'sshfs or sshd is not installed';

for (const [kind, skip, open] of [
  ['a folder', false, (name: string) => folderTarget(name)],
  ['a mounted share', lacksSshfs, shareTarget],
  ['a storage', false, remoteTarget],
] as const)
  for (const trash of [undefined, TRASH])
    t.test(
      `${kind}, ${trash ? 'into the trash' : 'for good'}: what comes between a look and a change stays`,
      { skip },
      async (t) => {
        const { target, folder, next } = await open(`${kind} ${trash ? 'kept' : 'gone'}`);
        t.teardown(() => target.close());
        const options = { signal, ...(trash ? { trash } : {}) };
        const path = join(folder, 'file');
        const seen = async (name: string) => (await target.stat(name, signal))!;

        writeFileSync(path, 'seen');
        const file = await seen('file');
        next(() => save(path, 'unseen'));
        await failsWith(t, 'target-changed', () => target.discard(file, options), 'a file was saved');
        t.strictSame(contentOf(folder), { file: 'unseen' });
        t.strictSame(everything(folder), ['unseen'], 'and nothing of it is anywhere else');

        const before = await seen('file');
        next(() => save(path, 'saved again'));
        const fresh = Buffer.from('from the job');
        const replace = () => write(target, 'file', fresh, { ...options, expected: before });
        await failsWith(t, 'target-changed', replace, 'a file was saved while it was replaced');
        t.strictSame(contentOf(folder), { file: 'saved again' });
        t.strictSame(
          everything(folder).filter((text) => text !== 'from the job'),
          ['saved again'],
        );

        await write(target, 'file', fresh, { ...options, expected: await seen('file') });
        t.strictSame(contentOf(folder), { file: 'from the job' }, 'what was seen is replaced');
        t.strictSame(everything(folder), trash ? ['from the job', 'saved again'] : ['from the job']);

        if (kind === 'a storage') {
          next(() => save(join(folder, 'new'), 'somebody was faster'));
          await failsWith(t, 'target-changed', () => write(target, 'new', fresh, { ...options, expected: null }));
        } else save(join(folder, 'new'), 'somebody was faster');
        t.match(contentOf(folder), { new: 'somebody was faster' });

        save(join(folder, 'tree/one'), 'one');
        save(join(folder, 'tree/deep/two'), 'two');
        let asked = 0;
        const isSeen = (): boolean => {
          // It is in the folder that was looked at already.
          if (++asked === 3) save(join(folder, 'tree/unseen'), 'three');
          return true;
        };
        const tree = await seen('tree');
        await failsWith(
          t,
          'target-changed',
          () => target.discard(tree, { ...options, isSeen }),
          'something was put there',
        );
        t.match(contentOf(folder), { 'tree/one': 'one', 'tree/deep/two': 'two', 'tree/unseen': 'three' });

        await target.discard(tree, { ...options, isSeen: () => true });
        await target.discard(await seen('file'), options);
        t.strictSame(contentOf(folder), { new: 'somebody was faster' });
        const kept = ['from the job', 'one', 'saved again', 'somebody was faster', 'three', 'two'];
        t.strictSame(everything(folder), trash ? kept : ['somebody was faster']);
      },
    );

t.test('a file gets a name only where nothing has it', async (t) => {
  const [part, name] = [join(top, 'part'), join(top, 'name')];
  for (const give of [
    () => nameFile(part, name, false),
    () => nameFile(part, name, true),
    () => renameNoReplace(part, name),
    async () => nameFileNow(part, name),
  ]) {
    writeFileSync(part, 'part');
    writeFileSync(name, 'taken');
    await t.rejects(give(), { code: 'EEXIST' });
    t.equal(readFileSync(name, 'utf8'), 'taken');
    rmSync(name);
    await give();
    t.equal(readFileSync(name, 'utf8'), 'part');
    t.notOk(existsSync(part));
  }
});

t.test('what goes back where somebody has taken the name gets that of a conflict', async (t) => {
  const folder = join(top, 'taken');
  mkdirSync(folder);
  const path = join(folder, 'file.txt');
  const storage = new Quirky(folder, { title: 'taken' });
  const [rename, look] = [storage.rename.bind(storage), storage.look.bind(storage)];
  storage.rename = (...words) => {
    if (words[0] === 'file.txt') save(path, 'unseen');
    return rename(...words);
  };
  storage.look = (...words) => {
    if (words[0].includes('aside')) save(path, 'taken meanwhile');
    return look(...words);
  };
  const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'x'));
  t.teardown(() => target.close());
  save(path, 'seen');
  const seen = (await target.stat('file.txt', signal))!;
  await failsWith(t, 'target-changed', () => target.discard(seen, { signal }));
  t.strictSame(everything(folder), ['taken meanwhile', 'unseen']);
  const [kept] = readdirSync(folder).filter((name) => name !== 'file.txt');
  t.match(kept, /^file \(conflict .+\)\.txt$/);
});

t.test('a name as long as names can be goes into the trash of one day again and again', async (t) => {
  const { target, folder } = await folderTarget('long names');
  t.teardown(() => target.close());
  const name = `${'n'.repeat(251)}.txt`;
  for (const text of ['1', '22', '333', '4444']) {
    const expected = (await target.stat(name, signal)) ?? null;
    await t.resolves(write(target, name, Buffer.from(text), { signal, trash: TRASH, expected }), text);
  }
  t.strictSame(contentOf(folder), { [name]: '4444' });
  t.strictSame(everything(folder), ['1', '22', '333', '4444']);
});

const lacksMount = process.getuid?.() === 0 ? false : 'mounting takes root';

t.test(
  'what lies on a file system that is mounted below goes into the trash of that one',
  { skip: lacksMount },
  async (t) => {
    const folder = join(top, 'above');
    const nested = join(folder, 'x/nested');
    mkdirSync(nested, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'procorefs-test', nested]);
    unmountAfter(t, nested);
    for (const path of ['sub/file', 'file', 'gone/file']) save(join(nested, path), `old ${path}`);
    const { target } = await folderTarget('above');
    t.teardown(() => target.close());
    const seen = async (path: string) => (await target.stat(path, signal))!;
    const trash = { signal, trash: TRASH };
    for (const path of ['x/nested/file', 'x/nested/sub/file']) {
      const expected = await seen(path);
      await t.resolves(write(target, path, Buffer.from('new'), { ...trash, expected }), path);
    }
    await target.discard(await seen('x/nested/gone'), { ...trash, isSeen: () => true });
    t.strictSame(await listed(target, 'x/nested').then((items) => items.map(({ name }) => name)), ['file', 'sub']);
    t.strictSame(contentOf(nested), { file: 'new', 'sub/file': 'new' });
    const kept = ['new', 'new', 'old file', 'old gone/file', 'old sub/file'];
    t.strictSame(everything(nested), kept);
    t.notOk(existsSync(join(folder, '.procorefs-trash')));
    t.strictSame(await target.emptyTrash({ today: '2026-02-28', days: 1 }, signal), []);
    const emptied = await target.emptyTrash({ today: '2026-03-05', days: 1 }, signal);
    t.strictSame(emptied, [{ top: 'x/nested', day: TRASH.day, days: 30, jobs: ['a'] }]);
    t.strictSame(everything(nested), ['new', 'new']);
  },
);

t.test('what comes into a folder that was moved away for good comes back with it', async (t) => {
  const { target, folder } = await folderTarget('still worked in');
  t.teardown(() => target.close());
  for (const path of ['tree/one', 'tree/deep/two', 'tree/.procorefs-part-old']) save(join(folder, path), path);
  const list = target.list.bind(target);
  let looks = 0;
  // Who has the folder open, or works in it, does not notice that it has another name.
  target.list = async function* (path, one) {
    yield* list(path, one);
    if (path.includes('aside') && ++looks === 2) save(join(folder, path, 'unseen'), 'unseen');
  };
  const tree = (await target.stat('tree', signal))!;
  const isSeen = ({ name }: { readonly name: string }) => name !== 'unseen';
  await failsWith(t, 'target-changed', () => target.discard(tree, { signal, isSeen }));
  const part = 'tree/.procorefs-part-old';
  t.strictSame(contentOf(folder), { 'tree/deep/unseen': 'unseen', [part]: part });
  rmSync(join(folder, 'tree/deep/unseen'));
  await target.discard(tree, { signal, isSeen });
  t.strictSame(readdirSync(folder), []);
});

t.test('nobody who lists takes a part that another one writes, or what another one detaches', async (t) => {
  const folder = join(top, 'two at once');
  mkdirSync(folder);
  const storage = new Quirky(folder, { title: 'two at once' });
  const open = () => new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'x'));
  const [target, other] = [open(), open()];
  const old = { mtime: 1_500_000_000, signal };
  const rename = storage.rename.bind(storage);
  storage.rename = async (...words) => {
    await listed(other, '');
    await rename(...words);
    await listed(other, '');
  };
  await write(target, 'file', Buffer.from('one'), old);
  const seen = (await target.stat('file', signal))!;
  await write(target, 'file', Buffer.from('two!'), { ...old, expected: seen });
  t.strictSame(everything(folder), ['two!']);
  storage.rename = async (from, to, ...words) => {
    // Unseen, and as old as what a program copies with its time.
    if (from === 'file') {
      save(join(folder, 'file'), 'unseen');
      utimesSync(join(folder, 'file'), 1_400_000_000, 1_400_000_000);
    }
    await rename(from, to, ...words);
    await listed(other, '');
  };
  const before = (await target.stat('file', signal))!;
  await failsWith(t, 'target-changed', () => target.discard(before, { signal }));
  t.strictSame(contentOf(folder), { file: 'unseen' });

  for (const [part, isOld] of [
    ['a-2020-01-01', true],
    // As former versions called what they detached: perhaps nobody has looked at it.
    ['aside-b-2020-01-01', false],
    ['aside-c', false],
    ['d', true],
    [`e-${new Date().toISOString().slice(0, 10)}`, false],
  ] as const) {
    const place = join(folder, `.procorefs-part-${part}`);
    writeFileSync(place, 'part');
    utimesSync(place, 1_500_000_000, 1_500_000_000);
    await listed(target, '');
    t.equal(existsSync(place), !isOld, part);
  }
});

t.test('a part is continued on another day under its name', async (t) => {
  const folder = join(top, 'continued');
  mkdirSync(folder);
  const storage = new Quirky(folder, { title: 'continued' });
  const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'x'));
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const part = `${partPath('file', { size: 4, mtime: 1_500_000_000 })}-${yesterday}`;
  writeFileSync(join(folder, part), 'pa');
  await listed(target, '');
  const puts: string[] = [];
  const put = storage.put.bind(storage);
  storage.put = (parcel, path, one) => {
    puts.push(path);
    return put(parcel, path, one);
  };
  await write(target, 'file', Buffer.from('part'), { mtime: 1_500_000_000, signal });
  t.strictSame(puts, [part]);
  t.strictSame(readdirSync(folder), ['file']);
});

t.test('where a folder goes with what is in it, an empty one is looked at once more under another name', async (t) => {
  const folder = join(top, 'goes with it');
  mkdirSync(folder);
  const storage = new Quirky(folder, { title: 'goes with it' });
  Object.defineProperty(storage, 'removesFull', { value: true });
  storage.removeFolder = (...words) => storage.purge(...words);
  let act: (() => void) | undefined = () => save(join(folder, 'folder/unseen'), 'unseen');
  const entries = storage.entries.bind(storage);
  storage.entries = async (...words) => {
    const found = await entries(...words);
    act?.();
    act = undefined;
    return found;
  };
  const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'x'));
  t.teardown(() => target.close());
  mkdirSync(join(folder, 'folder'));
  await failsWith(t, 'target-not-empty', () => target.removeFolder('folder', signal));
  t.strictSame(contentOf(folder), { 'folder/unseen': 'unseen' });
  rmSync(join(folder, 'folder/unseen'));
  await target.removeFolder('folder', signal);
  t.strictSame(readdirSync(folder), []);
});

t.test('where times are those of storing, hashes tell what came into a folder as it was moved', async (t) => {
  const folder = join(top, 'hashes');
  const storage = new Quirky(folder, { title: 'hashes', times: 'none' });
  const entries = storage.entries.bind(storage);
  storage.entries = async (at, one) =>
    (await entries(at, one)).map((entry) => {
      if (entry.folder) return entry;
      const value = readFileSync(join(storage.place(at), entry.name)).toString('hex');
      return { ...entry, hash: { kind: 'md5', value } };
    });
  const rename = storage.rename.bind(storage);
  storage.rename = (...words) => {
    if (words[0] === 'tree') save(join(folder, 'tree/file'), 'two');
    return rename(...words);
  };
  const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'x'));
  t.teardown(() => target.close());
  save(join(folder, 'tree/file'), 'one');
  const tree = (await target.stat('tree', signal))!;
  await failsWith(t, 'target-changed', () => target.discard(tree, { signal, isSeen: () => true }));
  t.strictSame(contentOf(folder), { 'tree/file': 'two' });
});
