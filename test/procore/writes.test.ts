import t from 'tap';
import { asRemoteId } from '#src/base/ids.js';
import { ProcoreWrites } from '#src/procore/writes.js';
import { fakeServer, json, testBudget, testClient } from '../support/net-server.js';
import { background, type Writing, writing } from '../support/writing.js';

const w = await writing(t);
const { server, client, writes, project, root } = w;
const { admin } = server;
let n = 0;
const unique = (stem = 'item') => `${stem} ${++n}`;
const newFile = async (name = unique('file')) =>
  (await writes.createFile(project, { parentId: root, name, uploadUuid: await w.upload('one') }, background)).item;
const newFolder = async (name = unique('folder')) =>
  (await writes.createFolder(project, { parentId: root, name }, background)).item;

/** Runs with switches turned; they are turned back. */
async function turned<T>(switches: Record<string, string>, work: (w: Writing) => Promise<T>): Promise<T> {
  const before = await admin.switches();
  await admin.switches(switches);
  try {
    return await work(w);
  } finally {
    await admin.switches(Object.fromEntries(Object.keys(switches).map((name) => [name, before[name]!])));
  }
}

t.test('folders and files are made, renamed, moved and deleted for one call each', async (t) => {
  const uploadUuid = await w.upload('hello');
  const second = await w.upload('hello, again');
  await admin.reset();
  const folder = await writes.createFolder(project, { parentId: root, name: 'Made here' }, background);
  t.match(folder.item, { type: 'folder', name: 'Made here', parentId: root, deleted: false });
  t.ok(Math.abs(folder.serverTime - Date.now() / 1000) < 60);
  const renamed = await writes.updateFolder(project, folder.item.id, { name: 'Renamed' }, background);
  t.match(renamed.item, { id: folder.item.id, name: 'Renamed', parentId: root });

  const made = await writes.createFile(
    project,
    { parentId: folder.item.id, name: 'a "quoted" näme.txt', uploadUuid, description: 'by hand' },
    background,
  );
  const { id } = made.item;
  t.match(made.item, { type: 'file', name: 'a "quoted" näme.txt', version: { number: 1, size: 5 } });
  const changed = await writes.updateFile(
    project,
    id,
    { name: 'b.txt', parentId: root, uploadUuid: second },
    background,
  );
  t.match(changed.item, { id, name: 'b.txt', parentId: root, version: { number: 2, size: 12 } });
  const gone = await writes.deleteFile(project, id, background);
  t.match(gone.item, { id, deleted: true });
  t.match((await writes.deleteFolder(project, folder.item.id, background)).item, { deleted: true });
  t.equal((await admin.calls()).total, 6);
});

t.test('of a large folder whose children come with the reply only the folder itself is taken', async (t) => {
  const { id, name } = await newFolder();
  await admin.change({ op: 'create', path: `${name}/a rather long name of a file #.txt`, count: 800, content: 'x' });
  for (const flags of ['ignored', 'obeyed'])
    await turned({ 'folder-write-flags': flags }, async () => {
      const wanted = unique('large');
      const { item } = await writes.updateFolder(project, id, { name: wanted }, background);
      t.match(item, { id, type: 'folder', name: wanted, parentId: root }, flags);
    });
  t.match((await writes.deleteFolder(project, id, background)).item, { id, deleted: true });
});

t.test('a version carries a note, and the file keeps its name', async (t) => {
  const file = await newFile();
  for (const position of ['ignored', 'renames'])
    await turned({ 'version-name': position }, async () => {
      const uploadUuid = await w.upload('with a note');
      await admin.reset();
      const notes = 'saved by maria on surface-7';
      const { version } = await writes.createVersion(project, file.id, { uploadUuid, notes }, background);
      t.equal((await admin.calls()).total, 1);
      t.match(version, { size: 11, createdBy: 'Procorefs Service Account' });
      const now = (await w.raw.file(file.id)).body;
      t.equal(now.name, file.name);
      const newest = now.file_versions.at(-1);
      t.match(newest, { id: version.id, number: version.number, notes });
    });
});

t.test('a check-out holds until it is taken back', async (t) => {
  const file = await newFile();
  const until = Math.floor(Date.now() / 1000) + 3600;
  const out = await writes.updateFile(project, file.id, { checkedOutUntil: until }, background);
  t.match(out.item, { checkedOutBy: 'Procorefs Service Account', checkedOutUntil: until });
  const back = await writes.updateFile(project, file.id, { checkedOutUntil: null }, background);
  t.match(back.item, { checkedOutBy: undefined });
  await t.rejects(writes.updateFile(project, file.id, { checkedOutUntil: 1000 }, background), {
    code: 'request-refused',
  });
});

t.test('what another has checked out is busy, whichever way the server says it', async (t) => {
  const file = await newFile();
  await admin.change({ op: 'checkout', id: file.id, by: 'Maria Gonzalez' });
  const uploadUuid = await w.upload('x');
  for (const status of ['409', '403', '422'])
    for (const form of ['map', 'array', 'string', 'error', 'message'])
      await turned({ 'checkout-conflict': status, 'errors-form': form }, async () => {
        const expected = { code: 'checked-out', errno: 'EBUSY', details: { holder: 'Maria Gonzalez' } };
        await t.rejects(writes.updateFile(project, file.id, { uploadUuid }, background), expected);
        await t.rejects(writes.createVersion(project, file.id, { uploadUuid, notes: '' }, background), expected);
      });
  await turned({ 'account-is-admin': 'yes' }, () => writes.updateFile(project, file.id, { uploadUuid }, background));
});

t.test('a taken name is told from a refused one', async (t) => {
  const file = await newFile('taken.txt');
  const folder = await newFolder('taken');
  const other = await newFile();
  const taken = { code: 'name-taken', errno: 'EEXIST', details: { name: 'taken.txt' } };
  const uploadUuid = await w.upload('x');
  const create = (name: string) => writes.createFile(project, { parentId: root, name, uploadUuid }, background);
  await t.rejects(create('taken.txt'), taken);
  await t.rejects(writes.updateFile(project, other.id, { name: 'taken.txt' }, background), taken);
  await t.rejects(writes.createFolder(project, { parentId: root, name: 'taken' }, background), { code: 'name-taken' });
  const elsewhere = await newFolder();
  const below = await writes.createFolder(project, { parentId: elsewhere.id, name: 'taken' }, background);
  await t.rejects(writes.updateFolder(project, below.item.id, { parentId: root }, background), { code: 'name-taken' });
  await turned({ 'name-case': 'insensitive' }, () => t.rejects(create('TAKEN.txt'), { code: 'name-taken' }));
  await turned({ 'file-folder-clash': 'refused' }, () => t.rejects(create('taken'), { code: 'name-taken' }));

  const refused = { code: 'name-refused', errno: 'EINVAL' };
  await turned({ 'name-characters': 'refused' }, () => t.rejects(create('a*b'), { ...refused, line: /invalid char/ }));
  await turned({ 'name-edges': 'refused' }, () => t.rejects(create('a. '), refused));
  await turned({ 'name-length': '150' }, () => t.rejects(create('a'.repeat(151)), refused));
  await turned({ executables: 'refused' }, async () => {
    await t.rejects(create('setup.exe'), { ...refused, line: /file type/ });
    await t.rejects(writes.updateFile(project, file.id, { name: 'setup.bat' }, background), refused);
  });
  await turned({ 'name-characters': 'replaced' }, async () => {
    t.equal((await create('a*b')).item.name, 'a-b', 'a cleaned name comes back');
  });
  t.equal((await writes.updateFolder(project, folder.id, { name: 'free' }, background)).item.name, 'free');
});

t.test('what is not there any more is gone; a missing parent is told from a missing item', async (t) => {
  const parent = await newFolder();
  const file = await newFile();
  const folder = await newFolder();
  await writes.deleteFolder(project, parent.id, background);
  const uploadUuid = await w.upload('x');
  for (const status of ['404', '400', '422'])
    for (const form of ['map', 'string', 'message'])
      await turned({ 'parent-missing': status, 'errors-form': form }, async () => {
        const lost = { code: 'gone', errno: 'ENOENT', details: { missing: 'parent' } };
        const parentId = parent.id;
        await t.rejects(writes.createFolder(project, { parentId, name: 'x' }, background), lost);
        await t.rejects(writes.createFile(project, { parentId, name: 'x', uploadUuid }, background), lost);
        const missing = { code: 'gone', details: { missing: 'parent' } };
        await t.rejects(writes.updateFolder(project, folder.id, { parentId }, background), missing);
        await t.rejects(writes.updateFile(project, file.id, { parentId }, background), missing);
      });
  const nobody = asRemoteId(999_999);
  const absent = { code: 'gone', details: { missing: 'item' } };
  await t.rejects(writes.updateFile(project, nobody, { uploadUuid }, background), absent);
  await t.rejects(writes.createVersion(project, nobody, { uploadUuid, notes: '' }, background), absent);
  await t.rejects(writes.deleteFile(project, nobody, background), absent);
  await t.rejects(writes.updateFolder(project, nobody, { name: 'x' }, background), absent);
  const either = { code: 'gone', details: { missing: 'either' } };
  await t.rejects(writes.updateFile(project, nobody, { parentId: root }, background), either);
  await t.rejects(writes.updateFolder(project, folder.id, { parentId: folder.id }, background), {
    code: 'request-refused',
  });
});

t.test('an upload that cannot be used is told from everything else', async (t) => {
  const file = await newFile();
  const used = await w.upload('x');
  await writes.updateFile(project, file.id, { uploadUuid: used }, background);
  const unknown = { code: 'upload-unknown' };
  for (const status of ['400', '422', '404'])
    await turned({ 'upload-unknown': status }, async () => {
      for (const uploadUuid of [used, '00000000-0000-0000-0000-000000000000']) {
        await t.rejects(writes.updateFile(project, file.id, { uploadUuid }, background), unknown);
        await t.rejects(
          writes.createFile(project, { parentId: root, name: unique(), uploadUuid }, background),
          unknown,
        );
        await t.rejects(writes.createVersion(project, file.id, { uploadUuid, notes: '' }, background), unknown);
      }
    });
  await turned({ 'upload-reuse': 'accepted' }, async () => {
    t.equal((await writes.updateFile(project, file.id, { uploadUuid: used }, background)).item.version?.number, 3);
  });
  const empty = await w.upload('');
  await turned({ 'empty-file': 'refused' }, () =>
    t.rejects(writes.updateFile(project, file.id, { uploadUuid: empty }, background), { code: 'content-refused' }),
  );
});

t.test('an account that may not write is told so', async (t) => {
  const file = await newFile();
  await turned({ 'project-access': 'read' }, async () => {
    const denied = { code: 'not-permitted', errno: 'EACCES' };
    await t.rejects(writes.createFolder(project, { parentId: root, name: 'x' }, background), denied);
    await t.rejects(writes.updateFile(project, file.id, { name: 'x' }, background), denied);
    await t.rejects(writes.deleteFile(project, file.id, background), denied);
  });
  const bin = (await client.rootFolder(project, background)).children.find((item) => item.recycleBin);
  await t.rejects(writes.deleteFolder(project, bin!.id, background), { code: 'not-permitted' });
  await turned({ 'app-connected': 'no' }, () =>
    t.rejects(writes.createFolder(project, { parentId: root, name: 'x' }, background), { code: 'app-not-installed' }),
  );
});

t.test('a call that may have been done is made once, and its reply is called lost', async (t) => {
  for (const fault of ['reset-after', 'reset-before', 'truncated-body', 'malformed-json', '500-html', '408']) {
    const file = await newFile();
    const folder = await newFolder();
    const calls: Record<string, () => Promise<{ serverTime: number }>> = {
      'POST /rest/v1.0/folders': () => writes.createFolder(project, { parentId: root, name: unique() }, background),
      'POST /rest/v1.0/files': async () => {
        const uploadUuid = await w.upload('x');
        return writes.createFile(project, { parentId: root, name: unique(), uploadUuid }, background);
      },
      'PATCH /rest/v1.0/files/:id': () => writes.updateFile(project, file.id, { name: unique() }, background),
      'PATCH /rest/v1.0/folders/:id': () => writes.updateFolder(project, folder.id, { name: unique() }, background),
      'POST /rest/v1.0/file_versions': async () => {
        const uploadUuid = await w.upload('x');
        return writes.createVersion(project, file.id, { uploadUuid, notes: '' }, background);
      },
      'DELETE /rest/v1.0/folders/:id': () => writes.deleteFolder(project, folder.id, background),
    };
    for (const [route, call] of Object.entries(calls)) {
      await admin.faults({ [fault]: { probability: 1, count: 1, route } });
      await admin.reset();
      const isDone = route.startsWith('DELETE') && fault === 'malformed-json';
      if (isDone) t.equal((await call()).serverTime > 0, true, 'a deletion is done whatever its reply looks like');
      else await t.rejects(call(), { code: 'reply-lost', errno: 'EIO' }, `${fault} ${route}`);
      t.equal((await admin.calls()).byRoute[route], 1, `${fault} ${route}`);
      await admin.noFaults();
    }
  }
});

t.test('a call that was certainly not done is not called lost', async (t) => {
  await admin.faults({ '503-retry-after': { probability: 1, count: 1, retry_after: 0 } });
  const busy = writes.createFolder(project, { parentId: root, name: unique() }, background);
  await t.rejects(busy, { code: 'server-error' });
  await admin.noFaults();
  const refusing = await fakeServer(t, (_, response, n) =>
    n === 1 ? json(response, 429, {}, { 'retry-after': '0' }) : json(response, 200, { id: 5, name: 'a', parent_id: 1 }),
  );
  const patient = testClient(t, refusing.url, { budget: testBudget(t, { windows: { hour: 3_600_000, spike: 50 } }) });
  const made = await new ProcoreWrites(patient.api).createFolder(project, { parentId: root, name: 'a' }, background);
  t.equal(made.item.id, 5, 'a refusal of the rate windows is waited for');
  const closed = await fakeServer(t, (_, response) => json(response, 200, {}));
  const nowhere = testClient(t, closed.url.replace(/:\d+$/, ':1'));
  await t.rejects(new ProcoreWrites(nowhere.api).deleteFile(project, asRemoteId(1), background), {
    code: 'unreachable',
  });
});

t.test('a conflict without words counts as a check-out, unless the reply says that nobody has the file', async (t) => {
  const replies: [unknown, string, string | undefined][] = [
    [{ error_type: 'x', file: { checked_out_by: { id: 1, login: 'b@example.com' } } }, 'checked-out', 'b@example.com'],
    ['', 'checked-out', 'another person'],
    [{ errors: 'Locked by Ben.' }, 'checked-out', 'Ben'],
    [{ errors: { base: ['no'] }, file: { checked_out_by: null } }, 'request-refused', undefined],
    [{ errors: { name: ['has already been taken'] } }, 'name-taken', undefined],
  ];
  for (const [body, code, holder] of replies) {
    const fake = await fakeServer(t, (_, response) => json(response, 409, body));
    const call = new ProcoreWrites(testClient(t, fake.url).api).updateFile(project, root, { name: 'x' }, background);
    await t.rejects(call, holder === undefined ? { code } : { code, details: { holder } });
  }
});

t.test('an interrupted call ends at once', async (t) => {
  const stuck = await fakeServer(t, () => undefined);
  const abort = new AbortController();
  const call = new ProcoreWrites(testClient(t, stuck.url).api).deleteFile(project, root, {
    ...background,
    signal: abort.signal,
  });
  setTimeout(() => abort.abort(new Error('enough')), 50);
  await t.rejects(call, { message: 'enough' });
});
