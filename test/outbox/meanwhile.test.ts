import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { systemClock } from '#src/base/clock.js';
import { Failure } from '#src/base/errors.js';
import type { Intent } from '#src/outbox/intents/intent.js';
import { after, before, instead } from '../support/meanwhile.js';
import { context, Files, type OpenProject, openProject } from '../support/project.js';

/** Changes that nobody sees one by one: all of them wait until the drain. */
const WAITING = { settle: 3_600_000, deleteDelay: 3_600_000 };

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

interface Scene {
  readonly open: OpenProject;
  readonly files: Files;
  readonly intents: () => Intent[];
  /** Contents of the versions of a file at the server, newest first, as sums. */
  readonly history: (path: string) => Promise<readonly string[] | undefined>;
  /** Everything goes up that can; what is left. */
  readonly tried: () => Promise<readonly Intent[]>;
}

async function scene(t: Test): Promise<Scene> {
  const open = await openProject(t, {}, WAITING);
  return {
    open,
    files: new Files(open.fileSystem),
    intents: () => [...open.project.outbox.intents.all()],
    history: async (path) =>
      (await open.simulator.admin.history()).find((one) => one.path === path && !one.deleted)?.history,
    tried: () => open.project.scheduler.drain(AbortSignal.timeout(60_000)),
  };
}

t.test('what people and others do while a change is on its way', async (t) => {
  const { open, files, intents, history, tried } = await scene(t);
  const { admin } = open.simulator;
  const { client, writes, uploads } = open.project.session.session;
  const { fileSystem } = open;

  await t.test('a file that somebody reads while it goes up can be written on', async (t) => {
    await files.write('read', 'one');
    const { node } = await files.entry('read');
    const { handle } = await fileSystem.open(node, 0, context);
    const { inode } = intents().find(({ name }) => name === 'read')!;
    await open.drain();
    t.ok(open.project.outbox.staging.has(inode), 'its bytes stay where they are');
    await files.write('read', 'number two');
    await open.drain();
    t.equal(String(await files.read('read')), 'number two');
    fileSystem.release(node, handle);
    t.strictSame(await history('read'), ['number two', 'one'].map(sum));
    t.equal(String(await files.read('read')), 'number two', 'also when nobody has it open any more');
  });

  await t.test(
    'somebody saves a version while a file is moved here that is open: who opens it next sees that',
    async (t) => {
      await files.write('moves', 'base');
      await open.drain();
      const { node } = await files.entry('moves');
      const writer = await fileSystem.open(node, 1, context);
      const reader = await fileSystem.open(node, 0, context);
      fileSystem.release(node, writer.handle);
      await files.rename('moves', 'moved');
      const change = before(writes, 'updateFile', () =>
        admin.change({ op: 'update', path: 'moves', content: 'their version' }),
      );
      await open.drain();
      await change;
      t.equal(String(await files.read('moved')), 'their version');
      await files.write('moved', '!', 'append');
      fileSystem.release(node, reader.handle);
      await open.drain();
      t.strictSame(await history('moved'), ['their version!', 'their version', 'base'].map(sum));
    },
  );

  for (const act of ['written', 'deleted'] as const)
    await t.test(`what is ${act} here while it is moved was not made from what somebody saved meanwhile`, async (t) => {
      await files.write('goes', 'base');
      await open.drain();
      await files.rename('goes', `gone ${act}`);
      const change = before(writes, 'updateFile', async () => {
        await admin.change({ op: 'update', path: 'goes', content: 'their version' });
        await (act === 'written' ? files.write(`gone ${act}`, 'ours') : files.unlink(`gone ${act}`));
      });
      await open.drain();
      await change;
      t.strictSame(await history(`gone ${act}`), ['their version', 'base'].map(sum));
      t.equal(String(await files.read(`gone ${act}`)), 'their version');
      const beside = (await admin.history()).find(({ path }) => path.startsWith(`gone ${act} (conflict`));
      t.strictSame(beside?.history, act === 'written' ? [sum('ours')] : undefined);
    });

  for (const [when, at] of [
    ['while the version before it is uploaded', before],
    ['when that before it was uploaded, and is no version yet', after],
  ] as const)
    await t.test(`what is written ${when} goes up after it, or in its place`, async (t) => {
      await files.write('again', 'number 1');
      await open.drain();
      await files.write('again', 'number 2');
      const written = at(uploads, 'upload', () => files.write('again', 'number 3'));
      await open.drain();
      await written;
      t.equal((await history('again'))?.at(0), sum('number 3'));
      t.equal(String(await files.read('again')), 'number 3');
    });

  await t.test('what comes back from the trash while its content is fetched for that is not deleted', async (t) => {
    await admin.change({ op: 'create', path: 'doc', content: 'theirs' });
    await open.project.mirror.pollNow(new AbortController().signal);
    await files.mkdir('.Trash-1000');
    await files.rename('doc', '.Trash-1000/doc');
    const back = before(open.project.outbox, 'open', () => files.rename('.Trash-1000/doc', 'doc'));
    await open.drain();
    await back;
    await open.drain();
    t.strictSame(await history('doc'), [sum('theirs')]);
    t.equal(String(await files.read('doc')), 'theirs');
  });

  await t.test('what is deleted while the server refuses it is gone', async (t) => {
    await files.write('refused', 'x');
    const refused = instead(writes, 'createFile', async () => {
      await files.unlink('refused');
      throw new Failure('server-error', { host: 'the server', call: 'a call', status: 500 });
    });
    t.strictSame(await tried(), []);
    await refused;
    t.equal(await history('refused'), undefined);
  });

  await t.test('what the server refuses is not looked for', async (t) => {
    await files.write('refused', 'x');
    const refused = instead(writes, 'createFile', () =>
      Promise.reject(new Failure('server-error', { host: 'the server', call: 'a call', status: 500 })),
    );
    let looks = 0;
    const { folder } = client;
    client.folder = (...args) => {
      looks++;
      return folder.apply(client, args);
    };
    await open.drain();
    await refused;
    t.equal(looks, 0);
    t.strictSame(await history('refused'), [sum('x')]);
    client.folder = folder;
  });

  for (const [what, work] of [
    ['deleted', () => files.unlink('changing')],
    ['written', () => files.write('changing', 'the third one')],
  ] as const)
    await t.test(`the failure of a version does not hold up that it is ${what} meanwhile`, async (t) => {
      await files.write('changing', 'one');
      await open.drain();
      await files.write('changing', 'number two');
      const failed = instead(writes, 'createVersion', async () => {
        await work();
        throw new Failure('server-error', { host: 'the server', call: 'a call', status: 500 });
      });
      t.strictSame(await tried(), []);
      await failed;
      const wanted = what === 'deleted' ? undefined : ['the third one', 'one'].map(sum);
      t.strictSame(await history('changing'), wanted);
      if (wanted) await files.unlink('changing');
      await open.drain();
    });

  await t.test('an upload that the server does not know is made anew', async (t) => {
    await files.write('unknown', 'x');
    const made: boolean[] = [];
    const { upload } = uploads;
    uploads.upload = (project, file, call) => {
      made.push(file.resume === undefined);
      return upload.call(uploads, project, file, call);
    };
    const unknown = instead(writes, 'createFile', () =>
      Promise.reject(new Failure('upload-unknown', { what: 'unknown' })),
    );
    await open.drain();
    await unknown;
    uploads.upload = upload;
    t.strictSame(made, [true, true]);
    t.strictSame(await history('unknown'), [sum('x')]);
  });

  await t.test('a call that comes through although it was interrupted is found', async (t) => {
    await files.write('interrupted', 'x');
    const interrupted = instead(writes, 'createFile', async (call) => {
      await call();
      throw new Failure('interrupted');
    });
    await tried();
    await interrupted;
    await open.drain();
    t.strictSame(await history('interrupted'), [sum('x')]);
    t.notOk((await files.list('')).some((name) => name.startsWith('interrupted (')));
  });

  await t.test('the bytes of what goes up are on stable storage', async (t) => {
    await files.write('volatile', 'x');
    const volatile = (): boolean => intents().some((one) => one.name === 'volatile' && one.volatile !== undefined);
    t.ok(volatile(), 'not before');
    let wasVolatile: boolean | undefined;
    const uploaded = before(uploads, 'upload', async () => {
      wasVolatile = volatile();
    });
    await open.drain();
    await uploaded;
    t.equal(wasVolatile, false);
  });

  t.strictSame(
    intents().filter(({ state }) => state !== 'local'),
    [],
  );
});

t.test('a daemon that ends while a change is on its way has not failed', async (t) => {
  const { open, files } = await scene(t);
  await files.write('slow', 'x');
  await open.simulator.admin.faults({ slow: { route: 'POST /rest/v1.0/files', ms: 60_000, on: ['api'] } });
  const waiting = new AbortController();
  open.project.scheduler.drain(waiting.signal).catch(() => undefined);
  const intent = (): Intent => [...open.project.outbox.intents.all()][0]!;
  while (!intent().attempted) await new Promise((resolve) => setTimeout(resolve, 10));
  const again = await open.reopen();
  waiting.abort();
  await open.simulator.admin.noFaults();
  t.match([...again.project.outbox.intents.all()], [{ state: 'held', attempts: 0 }]);
  await again.drain();
  t.equal((await again.simulator.admin.tree()).filter(({ path }) => path.startsWith('slow')).length, 1);
});

t.test('changes that go up within one millisecond of the clock are told apart', async (t) => {
  const now = Date.now();
  const clock = { ...systemClock, now: () => now };
  const open = await openProject(t, {}, { clock });
  const files = new Files(open.fileSystem);
  for (let n = 0; n < 8; n++) await files.mkdir(`folder ${n}`);
  await open.drain();
  for (let n = 0; n < 8; n++) await files.write(`folder ${n}/file`, `content ${n}`);
  await open.drain();
  const tree = (await open.simulator.admin.tree()).filter(({ type }) => type === 'file');
  t.strictSame(
    tree.map(({ path, sha256 }) => [path, sha256]).sort(),
    Array.from({ length: 8 }, (_, n) => [`folder ${n}/file`, sum(`content ${n}`)]),
  );
});
