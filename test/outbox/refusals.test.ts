import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Failure } from '#src/base/errors.js';
import { ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import type { ContentCache } from '#src/cache/cache.js';
import { type Database, openDatabase } from '#src/database/open.js';
import { FILE } from '#src/mirror/database/flags.js';
import { mirrorMigrations } from '#src/mirror/database/schema.js';
import { View } from '#src/mirror/database/view.js';
import { type Intent, NO_REMOTE } from '#src/outbox/intents/intent.js';
import { Outbox } from '#src/outbox/outbox.js';
import { Scheduler } from '#src/outbox/scheduler/scheduler.js';
import type { Sender } from '#src/outbox/upload/sender.js';
import { VirtualTime } from '../support/net-virtual-time.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A mirror that knows these folders and files of the server, by their paths. */
function mirror(folder: string, paths: readonly string[]): Database {
  const db = openDatabase(join(folder, 'mirror.db'), {
    ...{ migrations: mirrorMigrations, synchronous: 'NORMAL', damagedHint: '' },
  });
  const add = db.prepare(`INSERT INTO items
    (inode, remote_id, parent_id, name, flags, updated_at, created_at, seen_at, size, version_id, version_number, version_at)
    VALUES (?, ?, ?, ?, ?, 1, 1, 1, ?, ?, 1, 1)`);
  const ids = new Map(['', ...paths].map((path, n) => [path, 1 + n]));
  for (const [path, id] of ids) {
    const slash = path.lastIndexOf('/');
    const isFile = path.endsWith('.txt');
    const parent = path === '' ? 0 : ids.get(path.slice(0, Math.max(0, slash)))!;
    add.run(id, id, parent, path.slice(slash + 1), isFile ? FILE : 0, isFile ? 4 : 0, isFile ? id : 0);
  }
  return db;
}

/** An outbox and its scheduler in virtual time, and a server that refuses what is below some folders. */
function world(t: Test, paths: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-refusals-'));
  const time = new VirtualTime(1_700_000_000_000);
  const clock = time.clock();
  const db = mirror(folder, paths);
  const outbox = new Outbox({
    folder,
    clock,
    view: new View(db),
    content: { take: () => false, adopt: () => false } as unknown as ContentCache,
    ...{ log: silentLog, reserve: 0, temporary: [], noDelete: false, tell: () => undefined },
    longestBelow: async () => 0,
    syncMirror: async () => undefined,
  });
  /** Folders, with the failure that comes back of a change in them or below. */
  const refuses = new Map<string, Failure>();
  const calls: { at: number; path: string }[] = [];
  const gone = new Map<string, number>();
  const call = async (path: string): Promise<void> => {
    calls.push({ at: time.now, path });
    await clock.sleep(200);
  };
  const sender = {
    attempts: { awaited: () => undefined },
    async send(intent: Intent) {
      const path = outbox.tree.pathOf(intent.here);
      const { dirty, upload } = intent.content;
      if (dirty && intent.remoteId !== NO_REMOTE) await call(path);
      if (dirty && upload === undefined) {
        await call(path);
        const now = outbox.intents.get(intent.inode)!;
        outbox.intents.put({ ...now, content: { ...now.content, upload: JSON.stringify({ uuid: path }) } });
      }
      await call(path);
      const failure = [...refuses].find(([place]) => path.startsWith(place))?.[1];
      if (failure) throw failure;
      outbox.intents.change([], [intent.inode]);
      gone.set(path, time.now);
    },
  } as unknown as Sender;
  const rules = { settle: 2000, deleteDelay: 60_000, holdAfter: 10_000 };
  const scheduler = new Scheduler({ outbox, sender, rules, temporary: 600_000, parallel: 8, log: silentLog });
  scheduler.start();
  t.teardown(async () => {
    await scheduler.close();
    outbox.close();
    db.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const at = (path: string) => {
    let item = outbox.tree.item(ROOT_INODE)!;
    for (const name of path.split('/').filter((one) => one !== '')) item = outbox.tree.child(item, name)!;
    return item;
  };
  const save = (path: string): void => {
    const slash = Math.max(0, path.lastIndexOf('/'));
    const { file } = outbox.create(at(path.slice(0, slash)), path.slice(slash).replace('/', ''), 0);
    file.handles++;
    file.writers++;
    outbox.release(file, true, 0);
  };
  const write = async (path: string): Promise<void> => outbox.release(await outbox.open(at(path), true, true), true, 0);
  const callsBelow = (place: string): number => calls.filter(({ path }) => path.startsWith(place)).length;
  const rename = (path: string, name: string): Promise<void> => {
    const item = at(path);
    const folder = at(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    return outbox.rename(item, folder, name, { seen: outbox.tree.child(folder, name) }, 0);
  };
  return { time, outbox, scheduler, refuses, gone, calls, save, write, rename, at, callsBelow };
}

type World = ReturnType<typeof world>;

const notPermitted = (): Failure => new Failure('not-permitted', { what: 'this account', hint: 'ask' });
const names = Array.from({ length: 300 }, (_, n) => `${n}.txt`);

const kinds: Readonly<Record<string, (world: World) => Promise<void>>> = {
  'new files': async ({ save }) => {
    for (const name of names) save(`closed/below/${name}`);
  },
  'changes of all kinds': async ({ outbox, at, save, write, rename }) => {
    for (const [n, name] of names.entries()) {
      const known = `closed/known/${name}`;
      if (n % 3 === 0) await write(known);
      else if (n % 3 === 1) await rename(known, `other ${name}`);
      else outbox.unlink(at(known), 0);
      if (n % 50 === 0) save(`closed/${name}`);
      if (n % 50 === 1) outbox.mkdir(at('closed/below'), name, 0);
    }
  },
};

for (const [kind, make] of Object.entries(kinds))
  t.test(`a day of 300 changes that a folder refuses, ${kind}: 100 calls, and nobody beside them waits`, async (t) => {
    const known = names.map((name) => `closed/known/${name}`);
    const here = world(t, ['closed', 'closed/below', 'closed/known', 'open', ...known]);
    const { time, outbox, refuses, gone, save, callsBelow } = here;
    refuses.set('closed', notPermitted());
    await make(here);
    let saved = 0;
    for (let hour = 0; hour < 24; hour++) {
      save(`open/${hour}.txt`);
      await time.pass(10_000);
      saved += Number(gone.has(`open/${hour}.txt`));
      await time.pass(HOUR - 10_000);
    }
    t.equal(saved, 24, 'what people save beside them is up at once');
    t.ok(callsBelow('closed') <= 100, `${callsBelow('closed')} calls`);
    t.ok(callsBelow('closed') >= 24, 'it is tried again and again');
    refuses.clear();
    await time.pass(HOUR);
    t.equal(outbox.intents.size, 0, 'once one goes all do');
  });

t.test('what is permitted in such a folder goes, and is not tried together with what is not', async (t) => {
  const some = names.slice(0, 100);
  const known = some.map((name) => `mixed/${name}`);
  const { time, outbox, refuses, gone, save, write, callsBelow, calls } = world(t, ['mixed', ...known]);
  for (const name of some) refuses.set(`mixed/${name}`, notPermitted());
  for (const name of some) await write(`mixed/${name}`);
  save('mixed/waited.txt');
  await time.pass(HOUR);
  t.ok(gone.has('mixed/waited.txt'), 'a change of another kind had its turn');
  t.ok(calls.length <= 50, `${calls.length} calls in the first hour`);
  calls.length = 0;
  for (let n = 0; n < 24; n++) {
    save(`mixed/new ${n}.txt`);
    await time.pass(20 * 60_000);
    t.ok(gone.has(`mixed/new ${n}.txt`), `new ${n}`);
  }
  t.ok(callsBelow('mixed/new') <= 2 * 24);
  t.ok(calls.length <= 2 * 24 + 8 * 4 + 4, `${calls.length} calls in 8 hours`);
  t.equal(outbox.intents.size, 100);
});

t.test('a refused name or content waits for a person, one that only could not be done does not', async (t) => {
  const { time, outbox, refuses, gone, save, rename, at, callsBelow, scheduler } = world(t, ['folder']);
  refuses.set('folder/a', new Failure('name-refused', { name: 'a' }));
  refuses.set('folder/b', new Failure('request-refused', { host: 'h', call: 'c', status: 422 }));
  refuses.set('folder/c', new Failure('server-error', { host: 'h', call: 'c', status: 500 }));
  for (const name of ['a.txt', 'b.txt', 'c.txt', 'd.txt']) save(`folder/${name}`);
  await time.pass(DAY);
  t.ok(gone.has('folder/d.txt'), 'others in the folder go');
  t.equal(callsBelow('folder/a') + callsBelow('folder/b'), 4, 'one attempt each');
  t.ok(callsBelow('folder/c') > 20);
  refuses.clear();
  await time.pass(HOUR);
  t.same([...gone.keys()].sort(), ['folder/c.txt', 'folder/d.txt']);
  await rename('folder/a.txt', 'better.txt');
  scheduler.retry([at('folder/b.txt').inode]);
  await time.pass(60_000);
  t.equal(outbox.intents.size, 0);
  t.ok(gone.has('folder/better.txt'));
});

t.test('who waits for the outbox waits for what may succeed, and for nothing that needs a person', async (t) => {
  const { time, refuses, save, scheduler, callsBelow } = world(t, ['folder', 'closed']);
  refuses.set('closed', notPermitted());
  refuses.set('folder/name', new Failure('name-refused', { name: 'name' }));
  refuses.set('folder/busy', new Failure('server-error', { host: 'h', call: 'c', status: 503 }));
  const drain = async (isPatient: boolean): Promise<readonly string[] | undefined> => {
    let left: readonly string[] | undefined;
    const limit = new AbortController();
    const waiting = scheduler.drain(limit.signal, { isPatient }).then(
      (intents) => (left = intents.map(({ here }) => here.name).sort()),
      () => undefined,
    );
    await time.pass(30_000);
    const inTime = left;
    limit.abort(new Failure('interrupted'));
    await time.pass(1000);
    await waiting;
    return inTime;
  };
  for (const path of ['closed/a.txt', 'closed/b.txt', 'folder/name.txt', 'folder/goes.txt', 'folder/busy.txt'])
    save(path);
  t.equal(await drain(true), undefined, 'it waits as long as it may');
  refuses.delete('folder/busy');
  t.same(await drain(true), ['a.txt', 'b.txt', 'name.txt']);
  const calls = callsBelow('');
  t.same(await drain(true), ['a.txt', 'b.txt', 'name.txt']);
  t.equal(callsBelow('') - calls, 1, 'one try more of the folder that is not permitted');

  refuses.set('folder', new Failure('unreachable', { host: 'h' }));
  save('folder/later.txt');
  t.equal(await drain(true), undefined, 'the line may come back');
  t.same(await drain(false), ['a.txt', 'b.txt', 'later.txt', 'name.txt'], 'a daemon that ends does not wait for it');
  refuses.set('folder', new Failure('signed-out', { name: 'Procore' }));
  await time.pass(60_000);
  t.same(await drain(true), ['a.txt', 'b.txt', 'later.txt', 'name.txt'], 'a person must sign in');
});
