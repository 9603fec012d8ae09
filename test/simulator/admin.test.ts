import t from 'tap';
import { simulator } from '../support/simulator.js';
import { SimulatorClient } from '../support/simulator-client.js';

t.test('behind the scenes', async (t) => {
  const server = await simulator(t, { items: 60, projects: 2, hourly: 1000, spike: 1000, oddNames: 'no' });
  const client = await SimulatorClient.signedIn(server);
  const { admin, ready } = server;
  const paths = async (project?: number) =>
    (await admin.tree({ hash: false, ...(project === undefined ? {} : { project }) })).map(({ path }) => path);

  t.test('each project has items of its own', async (t) => {
    const [first, second] = ready.projects;
    await admin.change({ op: 'create', project: second!.id, path: 'only here.txt', content: 'x' });
    t.notOk((await paths()).includes('only here.txt'));
    t.ok((await paths(second!.id)).includes('only here.txt'));
    const ids = async (id: number) =>
      (await client.ask(`/rest/v1.0/projects/${id}/documents?per_page=500`)).body.map((row: { id: number }) => row.id);
    const known = new Set(await ids(first!.id));
    t.notOk((await ids(second!.id)).some((id: number) => known.has(id)));
  });

  t.test('a company has documents too', async (t) => {
    const base = `/rest/v1.0/companies/${ready.company_id}`;
    const { body } = await client.ask(`${base}/folders`);
    t.equal(body.parent_id, null);
    const folder = (await client.ask(`${base}/folders/${body.folders[2].id}`)).body;
    t.equal(folder.parent_id, body.id);
    t.match((await client.ask(`${base}/files/${folder.files[0].id}`)).body, { name: folder.files[0].name });
    t.ok((await client.ask(`${base}/documents`)).body.length > 40);
    const { url, size } = folder.files[0].file_versions[0];
    t.equal((await (await fetch(url)).arrayBuffer()).byteLength, size);
    t.equal((await client.ask('/rest/v1.0/companies/1/folders')).status, 404);
  });

  t.test('many at once, with parents, in a list', async (t) => {
    const made = await admin.change<object[]>({
      op: 'create',
      path: 'a/b/file #.bin',
      count: 500,
      size: 8192,
      parents: true,
    });
    t.equal(made.length, 500);
    const list = await paths();
    t.ok(list.includes('a/b/file 1.bin') && list.includes('a/b/file 500.bin'));
    const results = await admin.changes([
      { op: 'create', parent: 'a', name: 'x/y', type: 'folder' },
      { op: 'create', path: 'a/x/y/z.txt', content: 'below a name with a slash' },
      { op: 'rename', parent: 'a', name: 'x/y', to: 'p/q' },
      { op: 'move', path: 'a/b', to: '' },
      { op: 'rename', path: 'b', to: 'c' },
      { op: 'move', path: 'c/file 7.bin', to: 'a/seven.bin' },
      { op: 'update', path: 'a/seven.bin', base64: Buffer.from([0xff, 0]).toString('base64'), by: 'Priya Raman' },
    ]);
    t.strictSame(
      results.map(({ path }) => path),
      ['a/x/y', 'a/x/y/z.txt', 'a/p/q', 'b', 'c', 'a/seven.bin', 'a/seven.bin'],
    );
    const { body } = await client.file(results[5]!.id);
    t.match(body.file_versions[1], { size: 2, created_by: { name: 'Priya Raman' } });
    await t.rejects(admin.change({ op: 'create', path: 'c/file 8.bin', content: '' }), /has already been taken/);
  });

  t.test('permissions, deletion for good, the bin', async (t) => {
    const { id } = await admin.change({ op: 'create', path: 'secret/inner.txt', content: 'x', parents: true });
    await admin.change({ op: 'permission', path: 'secret', private: true });
    t.equal((await client.file(id)).body.private, true);
    const total = async () => Number((await client.documents('per_page=1')).headers.get('total'));
    const before = await total();
    await admin.change({ op: 'permission', path: 'secret', visible: false });
    t.equal((await client.file(id)).status, 404);
    t.equal(await total(), before - 2);
    await admin.change({ op: 'permission', path: 'secret', visible: true });
    t.equal((await client.file(id)).status, 200);
    const bin = (await client.folders()).body.folders.find((f: { is_recycle_bin: boolean }) => f.is_recycle_bin);
    const binned = async () => (await client.folders(bin.id)).body.folders.map((f: { name: string }) => f.name);
    await admin.change({ op: 'delete', path: 'secret' });
    t.ok((await binned()).includes('secret'));
    await admin.change({ op: 'restore', path: 'secret' });
    t.notOk((await binned()).includes('secret'));
    await admin.change({ op: 'delete', path: 'secret' });
    await admin.change({ op: 'purge', path: 'secret' });
    t.equal((await client.file(id)).status, 404);
    t.equal(await total(), before - 2);
    t.notOk((await binned()).includes('secret'));
  });

  t.test('another program spends calls of the same client', async (t) => {
    const remaining = async () => Number((await client.folders()).headers.get('x-rate-limit-remaining'));
    const before = await remaining();
    await admin.spend(300);
    t.equal(await remaining(), before - 301);
    await admin.reset();
    t.match(await admin.calls(), { total: 0, byRoute: {}, login: 0, storage: { requests: 0, bytes: 0 } });
    await admin.spend(2000);
    t.equal((await client.folders()).status, 429);
    t.match(await admin.calls(), { total: 1, status429: 1, status4xx: 1 });
    await admin.limits({ hourly: 100_000 });
    t.equal((await client.folders()).status, 200);
  });
});

t.test('the tree’s checksums are those of the storage', async (t) => {
  const server = await simulator(t, { items: 60, spike: 1000, fileSize: 3000 });
  const tree = await server.admin.tree();
  t.ok(tree.filter(({ type }) => type === 'file').every(({ size, sha256 }) => size === 3000 && sha256?.length === 64));
  t.equal(
    new Set(tree.filter(({ type }) => type === 'file').map(({ sha256 }) => sha256)).size,
    tree.filter(({ type }) => type === 'file').length,
    'no two files are the same',
  );
});
