import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { simulator } from '../support/simulator.js';
import { SimulatorClient } from '../support/simulator-client.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const roomy = { hourly: 100_000, spike: 100_000 };

t.test('reading', async (t) => {
  const server = await simulator(t, { ...roomy, items: 400 });
  const client = await SimulatorClient.signedIn(server);

  t.test('who, which companies, which projects', async (t) => {
    t.match((await client.ask('/rest/v1.0/me')).body, { id: Number, login: String, name: String });
    const companies = await client.ask('/rest/v1.0/companies');
    t.match(companies.body, [{ id: server.ready.company_id, name: String }]);
    const projects = await client.ask(`/rest/v1.0/projects?company_id=${server.ready.company_id}`);
    t.strictSame(
      projects.body.map(({ id, name }: { id: number; name: string }) => ({ id, name })),
      server.ready.projects,
    );
    t.match((await client.ask('/rest/v1.0/projects')).status, 400);
  });

  t.test('records carry every key of the recorded ones, in order', async (t) => {
    const root = (await client.folders()).body;
    t.strictSame(Object.keys(root), [
      ...['id', 'custom_fields', 'name', 'name_with_path', 'parent_id', 'updated_at', 'is_deleted', 'is_recycle_bin'],
      ...['is_tracked', 'tracked_folder', 'has_children', 'has_children_files', 'has_children_folders'],
      ...['folders', 'files', 'private', 'read_only'],
    ]);
    t.equal(root.name, server.ready.projects[0]!.name);
    t.equal(root.parent_id, null);
    const schedules = root.folders.find((folder: { name: string }) => folder.name === 'Schedules');
    t.strictSame([schedules.folders, schedules.files, schedules.has_children_files], [[], [], true]);
    const file = (await client.folders(schedules.id)).body.files[0];
    t.strictSame(Object.keys(file), [
      ...['id', 'custom_fields', 'name', 'parent_id', 'size', 'description', 'updated_at', 'created_at'],
      ...['name_with_path', 'file_versions', 'file_type', 'is_deleted', 'checked_out_by', 'checked_out_until'],
      ...['is_tracked', 'tracked_folder', 'private', 'legacy_id'],
    ]);
    t.strictSame(Object.keys(file.file_versions[0]), [
      ...['id', 'notes', 'url', 'size', 'created_at', 'number', 'created_by', 'file_id', 'prostore_file'],
    ]);
    t.match(file.updated_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    t.match((await client.file(file.id)).body, { id: file.id, name: file.name, size: file.size });
    const rows = (await client.documents('view=extended&per_page=2000')).body;
    const row = rows.find(({ id }: { id: number }) => id === file.id);
    const normal = [
      ...['id', 'created_at', 'created_by', 'custom_fields', 'document_type', 'is_deleted', 'is_recycle_bin'],
      ...['name', 'name_with_path', 'parent_id', 'private', 'read_only', 'updated_at'],
    ];
    const extended = [...normal, 'is_tracked', 'private_parent', 'tracked_folder', 'file', 'children'];
    t.strictSame(Object.keys(row), extended);
    t.strictSame(Object.keys(row.file), [
      ...['checked_out_by', 'checked_out_until', 'current_version', 'description', 'file_type'],
    ]);
    t.strictSame([row.read_only, row.file.current_version.size], [true, file.size]);
    t.strictSame(Object.keys((await client.documents()).body[0]), normal);
  });

  t.test('the index lists everything once, in pages that know their neighbours', async (t) => {
    const ids = new Set<number>();
    let url: string | undefined = '/rest/v1.0/projects/{project}/documents?per_page=50&sort=updated_at';
    let pages = 0;
    let last = '';
    while (url) {
      const page = await client.ask(url);
      pages++;
      t.equal(page.headers.get('per-page'), '50');
      for (const row of page.body) {
        t.ok(row.updated_at >= last);
        last = row.updated_at;
        ids.add(row.id);
      }
      t.equal(page.headers.get('total'), '406', 'items, bin with content, Schedules');
      const next = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1];
      url = next?.replace(server.ready.api, '');
    }
    t.equal(pages, 9);
    t.equal(ids.size, 406);
    t.equal((await server.admin.tree({ hash: false })).length, 401, 'items and Schedules');
  });

  t.test('filters narrow the index', async (t) => {
    const count = async (query: string) => Number((await client.documents(query)).headers.get('total'));
    t.equal(await count('filters[is_in_recycle_bin]=true'), 4);
    t.equal(await count('filters[is_in_recycle_bin]=false'), 402);
    const folders = await count('filters[document_type]=folder');
    t.equal(folders + (await count('filters[document_type]=file')), 406);
    t.equal(await count('filters[document_type][]=file&filters[document_type][]=folder'), 406);
    const early = await count('filters[updated_at]=2000-01-01T00:00:00Z...2024-12-31T23:59:59Z');
    const late = await count('filters[updated_at]=2025-01-01T00:00:00Z...');
    t.ok(early > 10 && late > 10);
    t.equal(early + late, 406);
    t.equal((await client.documents('filters[updated_at]=2025-01-01T00:00:00Z..2025-02-01T00:00:00Z')).status, 400);
    const office = (await client.folders()).body.folders.find((f: { name: string }) => f.name === 'Field Office');
    const inside = await client.documents(`filters[folder_id]=${office.id}&per_page=500`);
    t.ok(
      inside.body.some(({ id }: { id: number }) => id === office.id),
      'the folder itself',
    );
    t.ok(inside.body.every((row: { name_with_path: string }) => /\/Field Office(\/|$)/.test(row.name_with_path)));
    t.equal((await client.documents('page=x')).status, 400);
    t.equal((await client.documents('page=999')).body.length, 0);
  });

  t.test('bytes come from another address, in ranges, and are always the same', async (t) => {
    const tree = await server.admin.tree();
    const entry = tree.find(({ size, type }) => type === 'file' && size > 300_000)!;
    const { url } = (await client.file(entry.id)).body.file_versions.at(-1);
    t.not(new URL(url).origin, server.ready.api);
    const whole = await fetch(url);
    const bytes = new Uint8Array(await whole.arrayBuffer());
    t.equal(sha256(bytes), entry.sha256);
    const ranges = [
      [`bytes=0-0`, 0, 1],
      [`bytes=262140-262150`, 262_140, 262_151],
      [`bytes=-5`, bytes.length - 5, bytes.length],
      [`bytes=${bytes.length - 3}-${bytes.length + 50}`, bytes.length - 3, bytes.length],
    ] as const;
    for (const [range, start, end] of ranges) {
      const part = await fetch(url, { headers: { range } });
      t.equal(part.status, 206);
      t.equal(part.headers.get('content-range'), `bytes ${start}-${end - 1}/${bytes.length}`);
      t.equal(part.headers.get('etag'), whole.headers.get('etag'));
      t.strictSame(new Uint8Array(await part.arrayBuffer()), bytes.slice(start, end));
    }
    t.equal((await fetch(url, { headers: { range: `bytes=${bytes.length}-` } })).status, 416);
    t.equal((await fetch(url, { headers: { authorization: 'Bearer x' } })).status, 400);
    t.equal((await fetch(url, { method: 'HEAD' })).status, 403);
    t.equal((await fetch(`${url}0`)).status, 403);
    await server.admin.expire();
    t.match(await (await fetch(url)).text(), /Request has expired/);
    const fresh = (await client.file(entry.id)).body.file_versions.at(-1).url;
    t.equal((await fetch(fresh)).status, 200);
  });

  t.test('what is not allowed is refused with the documented status', async (t) => {
    t.equal((await client.ask('/rest/v1.0/me', { headers: { authorization: 'Bearer x' } })).status, 401);
    t.equal((await client.folders(1)).status, 404);
    t.equal((await client.ask('/rest/v1.0/folders')).status, 400);
    t.equal((await client.ask('/rest/v1.0/folders?project_id=1')).status, 404);
    t.equal((await client.ask('/rest/v1.0/nothing')).status, 404);
    t.equal((await client.ask('/rest/v1.0/me', { headers: { accept: 'text/html' } })).status, 406);
    const headers = { authorization: `Bearer ${client.token}` };
    const response = await fetch(`${server.ready.api}/rest/v1.0/me`, { headers });
    t.match(await response.text(), /Missing Procore-Company-Id header!/);
    t.equal((await client.grant({ grant_type: 'client_credentials', client_secret: 'x' })).status, 401);
  });

  t.test('changes behind everyone’s back show in the listings', async (t) => {
    const made = await server.admin.change({ op: 'create', path: '01 Drawings/new.txt', content: 'one' });
    t.match((await client.file(made.id)).body, { name: 'new.txt', size: 3, file_versions: [{ number: 1 }] });
    await server.admin.change({ op: 'update', path: '01 Drawings/new.txt', content: 'three' });
    t.match((await client.file(made.id)).body, { size: 5, file_versions: [{ number: 1 }, { number: 2 }] });
    await server.admin.change({ op: 'rename', path: '01 Drawings/new.txt', to: 'newer.txt' });
    await server.admin.change({ op: 'move', path: '01 Drawings/newer.txt', to: '03 RFIs' });
    t.match((await client.file(made.id)).body, { name_with_path: /\/03 RFIs\/newer.txt$/ });
    await server.admin.change({ op: 'delete', path: '03 RFIs/newer.txt' });
    t.match((await client.file(made.id)).body, { is_deleted: true });
    await server.admin.change({ op: 'restore', path: '03 RFIs/newer.txt' });
    const newest = await client.documents('sort=-updated_at&per_page=1&view=extended');
    t.match(newest.body[0], { id: made.id, is_deleted: false, file: { current_version: { size: 5 } } });
    await server.admin.change({ op: 'checkout', path: '03 RFIs/newer.txt', by: 'Priya Raman' });
    t.match((await client.file(made.id)).body, { checked_out_by: { name: 'Priya Raman' } });
    const slashed = await server.admin.change({ op: 'create', parent: '', name: 'a/b', content: '' });
    t.match((await client.file(slashed.id)).body, { name: 'a/b', size: 0 });
  });

  t.test('calls are counted by route', async (t) => {
    await server.admin.reset();
    await client.folders();
    await client.folders(1);
    const calls = await server.admin.calls();
    t.match(calls, {
      total: 2,
      status4xx: 1,
      status429: 0,
      byRoute: { 'GET /rest/v1.0/folders': 1, 'GET /rest/v1.0/folders/:id': 1 },
    });
  });
});

t.test('both rate windows are told in headers, and refuse what is beyond', async (t) => {
  const server = await simulator(t, { items: 10, hourly: 8, hour: 3600, spike: 5, spikeSeconds: 1 });
  const client = await SimulatorClient.signedIn(server);
  const spike = await client.folders();
  t.match(Object.fromEntries(spike.headers), { 'x-rate-limit-limit': '5', 'x-rate-limit-remaining': '4' });
  const reset = Number(spike.headers.get('x-rate-limit-reset')) - Date.parse(spike.headers.get('date')!) / 1000;
  t.ok(reset >= 0 && reset <= 3, `resets in ${reset} s`);
  const burst = await Promise.all(Array.from({ length: 5 }, () => client.folders()));
  t.equal(burst.filter(({ status }) => status === 429).length, 1);
  const refused = burst.find(({ status }) => status === 429)!;
  t.match(refused.body, { errors: /^You have surpassed the max number of requests for an hour/ });
  t.equal(refused.headers.get('x-rate-limit-remaining'), '0');
  t.ok(Number(refused.headers.get('retry-after')) >= 0);
  let waited = await client.folders();
  while (waited.headers.get('x-rate-limit-limit') === '5') waited = await client.folders();
  t.equal(waited.headers.get('x-rate-limit-limit'), '8', 'now the hour is nearer');
  const calls = await server.admin.calls();
  t.ok(calls.status429 >= 1);
  t.equal(calls.windows.at(-1)!.limit, 8);
});

t.test('a folder of this machine is served without being copied', async (t) => {
  const from = await mkdtemp(join(tmpdir(), 'simulator-from-'));
  t.teardown(() => rm(from, { recursive: true }));
  await mkdir(join(from, 'sub', 'deep'), { recursive: true });
  await writeFile(join(from, 'sub', 'deep', 'Äpfel.bin'), Buffer.alloc(700_000, 7));
  await writeFile(join(from, 'empty'), '');
  await symlink('/etc/passwd', join(from, 'link'));
  const server = await simulator(t, { ...roomy, from });
  const client = await SimulatorClient.signedIn(server);
  const tree = await server.admin.tree();
  t.strictSame(tree.map(({ path }) => path).sort(), ['Schedules', 'empty', 'sub', 'sub/deep', 'sub/deep/Äpfel.bin']);
  const entry = tree.find(({ path }) => path === 'sub/deep/Äpfel.bin')!;
  t.equal(entry.sha256, sha256(Buffer.alloc(700_000, 7)));
  const { url } = (await client.file(entry.id)).body.file_versions[0];
  const part = await fetch(url, { headers: { range: 'bytes=10-19' } });
  t.strictSame(Buffer.from(await part.arrayBuffer()), Buffer.alloc(10, 7));
});
