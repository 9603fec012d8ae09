import t, { type Test } from 'tap';
import type { Intent } from '#src/outbox/intents/intent.js';
import { uploadLines } from '#src/outbox/uploads-view.js';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject } from '../support/project.js';

/** Everything waits until the drain. */
const WAITING = { settle: 3_600_000, deleteDelay: 3_600_000 };
const never = new AbortController().signal;

/** File operations in a folder of their own. */
class FilesIn {
  readonly #files: Files;
  readonly #at: (path: string) => string;

  constructor(files: Files, at: (path: string) => string) {
    this.#files = files;
    this.#at = at;
  }

  exists = (path: string): Promise<boolean> => this.#files.exists(this.#at(path));
  list = (path: string): Promise<string[]> => this.#files.list(this.#at(path));
  read = async (path: string): Promise<string> => String(await this.#files.read(this.#at(path)));
  write = (path: string, content: string): Promise<void> => this.#files.write(this.#at(path), content);
  unlink = (path: string): Promise<void> => this.#files.unlink(this.#at(path));
  rmdir = (path: string): Promise<void> => this.#files.rmdir(this.#at(path));
  rename = (from: string, to: string): Promise<void> => this.#files.rename(this.#at(from), this.#at(to));
}

/** A project in which each part of a test has a folder of its own: listings believe our own calls for a while. */
class Scene {
  open: OpenProject;
  #tops = 0;

  private constructor(open: OpenProject) {
    this.open = open;
  }

  static async of(t: Test): Promise<Scene> {
    const open = await openProject(t, {}, WAITING);
    await until(() => open.project.mirror.view.crawlDone);
    return new Scene(open);
  }

  readonly at = (path: string): string => `top ${this.#tops}/${path}`;

  get files(): FilesIn {
    return new FilesIn(new Files(this.open.fileSystem), this.at);
  }

  get admin() {
    return this.open.simulator.admin;
  }

  /** Everything that is at the server is seen here. */
  async poll(): Promise<void> {
    // The first may be one that was under way before.
    for (let n = 0; n < 2; n++) await this.open.project.mirror.pollNow(never);
  }

  /** Files that were seen here, in a folder of their own. */
  async there(...paths: readonly string[]): Promise<void> {
    this.#tops++;
    await this.change(...paths.map((path) => ({ op: 'create', path, parents: true, content: path })));
    await this.poll();
  }

  /** Somebody does something at the server. */
  change(...changes: readonly AdminChange[]): Promise<unknown> {
    return this.admin.changes(
      changes.map((change) => ({
        ...change,
        path: this.at(change.path!),
        ...(change.op === 'move' ? { to: this.at(change.to!) } : {}),
      })),
    );
  }

  /** Somebody does something at the server just before deletions arrive there: when so many have set out. */
  beforeDeletions(count: number, ...changes: readonly AdminChange[]): void {
    const { writes } = this.open.project.session.session;
    const sends = { deleteFile: writes.deleteFile.bind(writes), deleteFolder: writes.deleteFolder.bind(writes) };
    let left = count;
    let go: () => void;
    const all = new Promise<void>((resolve) => {
      go = resolve;
    });
    for (const call of ['deleteFile', 'deleteFolder'] as const)
      writes[call] = async (...args) => {
        if (--left === 0) {
          Object.assign(writes, sends);
          await this.change(...changes);
          go();
        }
        await all;
        return sends[call](...args);
      };
  }

  /** Paths at the server, with how many versions a file has. */
  /** A file, or the folder with the only file that is in it. */
  async removes(path: string): Promise<void> {
    await this.files.unlink(path === 'folder' ? 'folder/a.txt' : path);
    if (path === 'folder') await this.files.rmdir(path);
  }

  async server(): Promise<Record<string, number>> {
    const prefix = this.at('');
    const tree = await this.admin.tree({ hash: false });
    return Object.fromEntries(
      tree
        .filter(({ path }) => path.startsWith(prefix))
        .map(({ path, versions }) => [path.slice(prefix.length), versions]),
    );
  }

  /** What `uploads` says of deletions that were not carried out. */
  kept(): string[] {
    const { outbox, scheduler, progress } = this.open.project;
    const prefix = this.at('');
    return uploadLines(outbox, scheduler, progress)
      .filter(({ state, path }) => state === 'kept' && path.startsWith(prefix))
      .map(({ path }) => path.slice(prefix.length))
      .sort();
  }

  async drain(): Promise<void> {
    await this.open.drain();
  }

  /** What is left when everything was tried once. */
  async left(): Promise<Intent[]> {
    await this.open.tryAll();
    return [...this.open.project.outbox.intents.all()];
  }
}

t.jobs = 4;

t.test('what somebody else made meanwhile, and no poll has shown, is not deleted', async (t) => {
  const scene = await Scene.of(t);
  const { files } = scene;
  await scene.there('a.txt', 'b.txt', 'flat/a.txt', 'flat/b.txt', 'deep/sub/a.txt', 'deep/b.txt', 'empty/x');
  await files.unlink('empty/x');
  await scene.drain();
  for (const path of ['a.txt', 'b.txt', 'flat/a.txt', 'flat/b.txt', 'deep/sub/a.txt', 'deep/b.txt'])
    await files.unlink(path);
  for (const path of ['flat', 'deep/sub', 'deep', 'empty']) await files.rmdir(path);
  await scene.change(
    { op: 'update', path: 'a.txt', content: 'newer' },
    { op: 'create', path: 'flat/new.txt', content: 'new' },
    { op: 'update', path: 'deep/sub/a.txt', content: 'newer' },
    { op: 'create', path: 'empty/new.txt', content: 'new' },
  );
  await scene.admin.reset();
  await scene.drain();
  const wanted = { 'a.txt': 2, flat: 0, 'flat/new.txt': 1, deep: 0, 'deep/sub': 0, 'deep/sub/a.txt': 2 };
  t.strictSame(await scene.server(), { ...wanted, empty: 0, 'empty/new.txt': 1 });
  t.equal(await files.read('a.txt'), 'newer');
  t.equal(await files.read('flat/new.txt'), 'new');
  t.equal(await files.read('deep/sub/a.txt'), 'newer');
  t.strictSame(await files.list('empty'), ['new.txt']);
  t.strictSame(scene.kept(), ['a.txt', 'deep', 'deep/sub', 'deep/sub/a.txt', 'empty', 'flat']);
  const { byRoute } = await scene.admin.calls();
  t.equal(byRoute['DELETE /rest/v1.0/folders/:id'] ?? 0, 0, 'no folder was sent to the bin');

  await t.test('and goes once it was seen', async (t) => {
    await files.unlink('a.txt');
    await scene.drain();
    t.notOk(Object.hasOwn(await scene.server(), 'a.txt'));
    t.notOk(scene.kept().includes('a.txt'));
  });
});

t.test('a folder is kept where something that was deleted in it may still be, out of sight', async (t) => {
  const scene = await Scene.of(t);
  const { files } = scene;
  await scene.there('plain/a.txt', 'plain/b.txt');
  for (const path of ['plain/a.txt', 'plain/b.txt']) await files.unlink(path);
  await files.rmdir('plain');
  const path = 'plain/a.txt';
  await scene.change({ op: 'update', path, content: 'newer' }, { op: 'permission', path, visible: false });
  await scene.drain();
  t.strictSame(await scene.server(), { plain: 0, 'plain/a.txt': 2 });
  t.ok(scene.kept().includes('plain'));
});

t.test('a folder goes where something that was deleted in it was deleted by others as well', async (t) => {
  const scene = await Scene.of(t);
  const { files } = scene;
  await scene.there('gone/a.txt', 'gone/b.txt');
  for (const path of ['gone/a.txt', 'gone/b.txt']) await files.unlink(path);
  await files.rmdir('gone');
  await scene.change({ op: 'delete', path: 'gone/a.txt' });
  await scene.drain();
  t.notOk(Object.hasOwn(await scene.server(), 'gone'));
});

t.test('what a poll shows is back at once', async (t) => {
  const scene = await Scene.of(t);
  const { files } = scene;
  await scene.there('a.txt', 'folder/sub/a.txt', 'folder/b.txt', 'other/a.txt');
  for (const path of ['a.txt', 'folder/sub/a.txt', 'folder/b.txt', 'other/a.txt']) await files.unlink(path);
  for (const path of ['folder/sub', 'folder', 'other']) await files.rmdir(path);
  await scene.change(
    { op: 'update', path: 'a.txt', content: 'newer' },
    { op: 'update', path: 'folder/sub/a.txt', content: 'newer' },
    { op: 'create', path: 'other/new.txt', content: 'new' },
  );
  await scene.poll();
  t.equal(await files.read('a.txt'), 'newer');
  t.equal(await files.read('folder/sub/a.txt'), 'newer');
  t.strictSame(await files.list('folder'), ['sub'], 'what was seen stays deleted');
  t.strictSame(await files.list('other'), ['new.txt']);
  await scene.drain();
  const wanted = { 'a.txt': 2, folder: 0, 'folder/sub': 0, 'folder/sub/a.txt': 2, other: 0, 'other/new.txt': 1 };
  t.strictSame(await scene.server(), wanted);
});

/** Positions of what is not known of the API. */
const POSITIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'as inferred': {},
  'the bin is the parent, and nothing bumps': {
    ...{ 'recycled-parent': 'bin', 'recycled-subtree': 'kept', 'recycled-get': '404' },
    ...{ 'bump-delete': 'no', 'bump-restore': 'no', 'bump-move': 'no' },
  },
  'recycled rows are left out, and everything bumps': {
    ...{ 'recycled-in-index': 'excluded', 'bump-subtree': 'yes', 'recycled-write': 'accepted' },
    ...{ 'recycled-in-folders': 'included', 'delete-reply': 'nothing' },
  },
  'a reply shows a folder without its content': { 'delete-reply': 'childless', 'recycled-get': '404' },
  'the bin shows only what was deleted by itself': { 'recycled-filter': 'tops' },
};

for (const [position, switches] of Object.entries(POSITIONS))
  t.test(`what comes between the look and the deletion is restored: ${position}`, async (t) => {
    const scene = await Scene.of(t);
    const { files, admin } = scene;
    await admin.switches(switches);

    await t.test('a version of a file', async (t) => {
      await scene.there('a.txt');
      await files.unlink('a.txt');
      scene.beforeDeletions(1, { op: 'update', path: 'a.txt', content: 'newer' });
      await scene.drain();
      t.strictSame(await scene.server(), { 'a.txt': 2 });
      t.equal(await files.read('a.txt'), 'newer');
      t.strictSame(scene.kept(), ['a.txt']);
    });
    await t.test('a version of a file whose deletion has no reply', async (t) => {
      await scene.there('a.txt');
      await files.unlink('a.txt');
      await admin.faults({ 'reset-after': { route: 'DELETE /rest/v1.0/files', count: 1 } });
      scene.beforeDeletions(1, { op: 'update', path: 'a.txt', content: 'newer' });
      await scene.drain();
      await admin.noFaults();
      t.strictSame(await scene.server(), { 'a.txt': 2 });
      t.equal(await files.read('a.txt'), 'newer');
    });
    for (const [what, change, left] of [
      ['a new file', { op: 'create', path: 'folder/sub/new.txt' }, { 'folder/sub/new.txt': 1 }],
      ['a version', { op: 'update', path: 'folder/sub/a.txt' }, { 'folder/sub/a.txt': 2 }],
      ['what was moved there', { op: 'move', path: 'x.txt', to: 'folder/sub' }, { 'folder/sub/x.txt': 1 }],
    ] as const)
      await t.test(`${what} in a folder`, async (t) => {
        await scene.there('folder/sub/a.txt', 'folder/b.txt', 'folder/earlier.txt', 'x.txt');
        await scene.change({ op: 'delete', path: 'folder/earlier.txt' });
        await scene.poll();
        await scene.open.project.mirror.refresh((await itemOf(scene, 'folder'))!, 'background');
        for (const path of ['folder/sub/a.txt', 'folder/b.txt']) await files.unlink(path);
        for (const path of ['folder/sub', 'folder']) await files.rmdir(path);
        scene.beforeDeletions(1, { ...change, ...(change.op === 'move' ? {} : { content: 'newer' }) });
        await scene.drain();
        const { 'x.txt': _, ...rest } = await scene.server();
        t.strictSame(rest, { folder: 0, 'folder/sub': 0, ...left });
        const [path] = Object.keys(left);
        t.equal(await files.read(path!), change.op === 'move' ? 'x.txt' : 'newer', 'it shows');
        await files.unlink(path!);
        await files.rmdir('folder/sub');
        await files.rmdir('folder');
        await scene.drain();
        t.notOk(Object.hasOwn(await scene.server(), 'folder'), 'once it was seen it goes');
      });
    await t.test('a new file in an empty folder', async (t) => {
      await scene.there('folder/x');
      await files.unlink('folder/x');
      await scene.drain();
      await files.rmdir('folder');
      scene.beforeDeletions(1, { op: 'create', path: 'folder/new.txt', content: 'new' });
      await scene.drain();
      t.strictSame(await scene.server(), { folder: 0, 'folder/new.txt': 1 });
      t.strictSame(await files.list('folder'), ['new.txt']);
    });
  });

async function itemOf(scene: Scene, path: string) {
  const { inode } = await scene.open.project.find(scene.at(path), 'background');
  return scene.open.project.mirror.view.item(inode);
}

t.test('a deletion whose outcome was not compared is compared after a new start', async (t) => {
  const scene = await Scene.of(t);
  await scene.there('a.txt', 'folder/a.txt', 'seen.txt', 'whole/a.txt');
  for (const path of ['a.txt', 'folder/a.txt', 'seen.txt', 'whole/a.txt']) await scene.files.unlink(path);
  for (const path of ['folder', 'whole']) await scene.files.rmdir(path);
  const { writes } = scene.open.project.session.session;
  // Sent, and the daemon is gone before it knows what went.
  for (const call of ['deleteFile', 'deleteFolder'] as const) {
    const send = writes[call].bind(writes);
    writes[call] = async (...args) => {
      await send(...args);
      throw new Error('the end');
    };
  }
  scene.beforeDeletions(
    4,
    { op: 'update', path: 'a.txt', content: 'newer' },
    { op: 'create', path: 'folder/new.txt', content: 'new' },
  );
  await scene.left();
  t.strictSame(await scene.server(), {});
  scene.open = await scene.open.reopen();
  await scene.drain();
  t.strictSame(await scene.server(), { 'a.txt': 2, folder: 0, 'folder/new.txt': 1 });
  t.equal(await scene.files.read('a.txt'), 'newer');
  t.strictSame(await scene.files.list('folder'), ['new.txt']);
  t.notOk(await scene.files.exists('whole'));
});

t.test('a deletion without a reply is compared also where it was refused when it was sent again', async (t) => {
  for (const path of ['a.txt', 'folder']) {
    const scene = await Scene.of(t);
    const { files, admin } = scene;
    await scene.there('a.txt', 'folder/a.txt');
    await scene.removes(path);
    const route = 'DELETE /rest/v1.0/f';
    await admin.faults({ 'reset-after': { route, count: 1 }, '503-retry-after': { route, after: 1 } });
    if (path === 'folder') scene.beforeDeletions(1, { op: 'create', path: 'folder/new.txt', content: 'newer' });
    else scene.beforeDeletions(1, { op: 'update', path, content: 'newer' });
    await scene.left();
    await admin.noFaults();
    await scene.poll();
    await scene.drain();
    const server =
      path === 'folder' ? { 'a.txt': 1, folder: 0, 'folder/new.txt': 1 } : { 'a.txt': 2, folder: 0, 'folder/a.txt': 1 };
    t.strictSame(await scene.server(), server);
    t.equal(await files.read(path === 'folder' ? 'folder/new.txt' : path), 'newer');
  }
});

t.test(
  'a deletion without a reply of what the server shows nowhere ends, and what it took may show again',
  async (t) => {
    for (const path of ['a.txt', 'folder']) {
      const scene = await Scene.of(t);
      const { files, admin } = scene;
      await scene.there('a.txt', 'folder/a.txt');
      await scene.removes(path);
      await admin.faults({ 'reset-after': { route: 'DELETE /rest/v1.0/f', count: 1 } });
      scene.beforeDeletions(1, { op: 'permission', path, visible: false });
      const failed = (await scene.left()).find(({ baseName }) => baseName === path);
      t.match(failed?.reason, /does not show yet/);
      await admin.faults({ 'clock-skew': { seconds: 3600 } });
      await scene.drain();
      t.notOk(await files.exists(path));
      await scene.change({ op: 'permission', path, visible: true });
      await scene.open.project.mirror.sweepNow('background', never);
      t.ok(await files.exists(path), 'nobody had deleted it');
    }
  },
);

t.test('what cannot be brought back at once is brought back later, and said', async (t) => {
  const scene = await Scene.of(t);
  const { files, admin } = scene;
  await scene.there('a.txt', 'folder/a.txt');
  for (const path of ['a.txt', 'folder/a.txt']) await files.unlink(path);
  await files.rmdir('folder');
  await admin.switches({ restore: 'refused' });
  scene.beforeDeletions(
    2,
    { op: 'update', path: 'a.txt', content: 'newer' },
    { op: 'create', path: 'folder/new.txt', content: 'new' },
  );
  const left = await scene.left();
  const file = left.find(({ name, state }) => name === 'a.txt' && state === 'failed');
  t.match(file, { reason: /refuses to restore it.*restore it in Procore/ });
  await admin.switches({ restore: 'by-parent-id' });
  await files.write('other.txt', 'x');
  await scene.change({ op: 'create', path: 'a.txt', content: 'took its name' });
  await scene.drain();
  const there = await scene.server();
  const copy = Object.keys(there).find((path) => path.startsWith('a (conflict '))!;
  t.strictSame(there, { 'a.txt': 1, [copy]: 2, folder: 0, 'folder/new.txt': 1, 'other.txt': 1 });
  t.equal(await files.read(copy), 'newer');
});

t.test('what was in a folder that is gone is brought back also where the root has its name', async (t) => {
  const scene = await Scene.of(t);
  const { files, admin } = scene;
  await admin.change({ op: 'create', path: 'twice.txt', content: 'of the root' });
  await scene.there('folder/twice.txt');
  await files.unlink('folder/twice.txt');
  await admin.switches({ restore: 'refused' });
  scene.beforeDeletions(1, { op: 'update', path: 'folder/twice.txt', content: 'newer' });
  await scene.left();
  await admin.switches({ restore: 'by-parent-id' });
  await scene.change({ op: 'delete', path: 'folder' });
  await scene.drain();
  const brought = (await admin.tree()).filter(({ path }) => /^twice.*txt$/.test(path));
  t.strictSame(brought.map(({ versions }) => versions).sort(), [1, 2]);
});

t.test('what is replaced goes only as it was seen', async (t) => {
  const scene = await Scene.of(t);
  const { files } = scene;
  await t.test('a document over another one', async (t) => {
    await scene.there('a.txt', 'b.txt');
    await files.rename('a.txt', 'b.txt');
    await scene.change(
      { op: 'update', path: 'a.txt', content: 'newer a' },
      { op: 'update', path: 'b.txt', content: 'newer b' },
    );
    await scene.drain();
    const there = await scene.server();
    const copy = Object.keys(there).find((path) => path.startsWith('b (conflict '))!;
    t.strictSame(there, { 'a.txt': 2, 'b.txt': 2, [copy]: 1 });
    t.equal(await files.read('a.txt'), 'newer a');
    t.equal(await files.read('b.txt'), 'newer b');
    t.equal(await files.read(copy), 'a.txt');
  });
  await t.test('a folder over another one', async (t) => {
    await scene.there('a/a.txt', 'b/x');
    await files.unlink('b/x');
    await scene.drain();
    await files.rename('a', 'b');
    await scene.change({ op: 'create', path: 'b/new.txt', content: 'new' });
    await scene.drain();
    const there = Object.keys(await scene.server());
    const copy = there.find((path) => path.startsWith('b (conflict '))!;
    t.strictSame(there.sort(), ['b', `${copy.split('/')[0]}`, `${copy.split('/')[0]}/a.txt`, 'b/new.txt'].sort());
    t.strictSame(await files.list('b'), ['new.txt']);
  });
  await t.test('a move to where something was deleted', async (t) => {
    await scene.there('a.txt', 'b.txt');
    await files.unlink('b.txt');
    await files.rename('a.txt', 'b.txt');
    await scene.change({ op: 'update', path: 'b.txt', content: 'newer' });
    await scene.drain();
    const there = await scene.server();
    const copy = Object.keys(there).find((path) => path.startsWith('b (conflict '))!;
    t.strictSame(there, { 'b.txt': 2, [copy]: 1 });
    t.equal(await files.read('b.txt'), 'newer');
    t.equal(await files.read(copy), 'a.txt');
  });
});

t.test('our own version whose outcome was in doubt goes with the file', async (t) => {
  const scene = await Scene.of(t);
  const { files, admin } = scene;
  for (const theirs of [false, true]) {
    await scene.there('a.txt');
    await files.write('a.txt', 'ours, and longer');
    await admin.faults({
      'reset-after': { route: 'POST /rest/v1.0/file_versions' },
      '408': { route: 'GET /rest/v1.0/files', after: 1 },
    });
    await scene.left();
    await admin.noFaults();
    // After a long upload the file is looked at once more, before ours is made: then there is no doubt.
    const { 'a.txt': versions = 0 } = await scene.server();
    await files.unlink('a.txt');
    if (theirs) await scene.change({ op: 'update', path: 'a.txt', content: 'theirs' });
    await scene.drain();
    t.strictSame(await scene.server(), theirs ? { 'a.txt': versions + 1 } : {});
  }
});

t.test('one poll counts for all deletions; a folder is listed, deleted and compared', async (t) => {
  const scene = await Scene.of(t);
  const { files, admin } = scene;
  await scene.there('stays');
  await scene.change({ op: 'create', path: 'single/#', parents: true, content: 'x', count: 30 });
  await scene.change({ op: 'create', path: 'whole/#', parents: true, content: 'x', count: 300 });
  await scene.poll();
  for (let n = 1; n <= 30; n++) await files.unlink(`single/${n}`);
  for (let n = 1; n <= 300; n++) await files.unlink(`whole/${n}`);
  await files.rmdir('whole');
  await admin.reset();
  await scene.drain();
  const { total, byRoute } = await admin.calls();
  t.match(byRoute, {
    'DELETE /rest/v1.0/files/:id': 30,
    'DELETE /rest/v1.0/folders/:id': 1,
    'GET /rest/v1.0/folders/:id': 1,
    'GET /rest/v1.0/projects/:id/documents': 2,
  });
  t.equal(total, 34);
  await admin.reset();
  await files.rmdir('single');
  await scene.drain();
  t.strictSame((await admin.calls()).byRoute, {
    'DELETE /rest/v1.0/folders/:id': 1,
    'GET /rest/v1.0/projects/:id/documents': 1,
  });
});

t.test('what others deleted already costs no call, and an index that lags is asked again', async (t) => {
  const scene = await Scene.of(t);
  const { files, admin } = scene;
  await scene.there('a.txt', 'folder/a.txt', 'late/a.txt');
  for (const path of ['a.txt', 'folder/a.txt']) await files.unlink(path);
  await files.rmdir('folder');
  await scene.change({ op: 'delete', path: 'a.txt' }, { op: 'delete', path: 'folder' });
  await admin.reset();
  await scene.drain();
  t.equal((await admin.calls()).status4xx, 0);
  t.notOk(await files.exists('folder'));
  await files.unlink('late/a.txt');
  await files.rmdir('late');
  scene.beforeDeletions(1, { op: 'create', path: 'late/new.txt', content: 'new' });
  await admin.faults({ 'stale-index': { probability: 1, seconds: 3600, count: 3 } });
  const left = await scene.left();
  await admin.noFaults();
  t.match(
    left.filter(({ folder }) => folder),
    [{ state: 'failed', reason: /does not show yet/ }],
  );
  await scene.drain();
  t.strictSame(await scene.server(), { late: 0, 'late/new.txt': 1 });
});
