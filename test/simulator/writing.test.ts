import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { bytesBy } from '../support/random.js';
import { simulator } from '../support/simulator.js';
import { type Answer, SimulatorClient } from '../support/simulator-client.js';

const roomy = { hourly: 100_000, spike: 100_000, items: 60, oddNames: 'no' } as const;
const UPLOADS = '/rest/v1.1/projects/{project}/uploads';
const hash = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes).digest('hex');

/** Announces an upload and sends the bytes; the reply of the storage. */
async function send(announced: Answer, bytes: Uint8Array, leaveOut?: string): Promise<Response> {
  const form = new FormData();
  for (const [name, value] of Object.entries(announced.body.fields)) {
    if (name !== leaveOut) form.append(name, value as string);
  }
  form.append('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), 'x');
  return await fetch(announced.body.url, { method: 'POST', body: form });
}

async function uploaded(client: SimulatorClient, bytes: Uint8Array): Promise<string> {
  const body = { response_filename: 'up.bin', size: bytes.length };
  const announced = await client.ask(UPLOADS, { method: 'POST', body });
  await send(announced, bytes);
  return announced.body.uuid;
}

t.test('writing', async (t) => {
  const server = await simulator(t, roomy);
  const client = await SimulatorClient.signedIn(server);
  const post = (path: string, body: unknown) =>
    client.ask(`/rest/v1.0/${path}?project_id={project}`, { method: 'POST', body });
  const patch = (path: string, body: unknown) =>
    client.ask(`/rest/v1.0/${path}?project_id={project}`, { method: 'PATCH', body });
  const remove = (path: string) => client.ask(`/rest/v1.0/${path}?project_id={project}`, { method: 'DELETE' });
  const root = (await client.folders()).body;

  t.test('folders are made, renamed, moved, recycled and restored', async (t) => {
    const a = await post('folders', { folder: { name: 'A', parent_id: root.id } });
    t.match(a, { status: 201, body: { name: 'A', parent_id: root.id, private: false } });
    const taken = await post('folders', { folder: { name: 'A', parent_id: root.id } });
    t.match(taken, { status: 400, body: { errors: { name: ['has already been taken'] } } });
    const b = await post('folders', { folder: { name: 'B', parent_id: a.body.id, explicit_permissions: true } });
    t.equal(b.body.private, true);
    const both = await patch(`folders/${b.body.id}`, { folder: { name: 'C', parent_id: root.id } });
    t.match(both, { status: 200, body: { id: b.body.id, name: 'C', parent_id: root.id } });
    t.equal((await patch(`folders/${a.body.id}`, { folder: { parent_id: a.body.id } })).status, 400, 'into itself');
    t.equal((await remove(`folders/${a.body.id}`)).status, 200);
    t.match((await client.folders(a.body.id)).body, { is_deleted: true });
    t.equal((await remove(`folders/${a.body.id}`)).status, 404);
    t.equal((await post('folders', { folder: { name: 'in bin', parent_id: a.body.id } })).status, 404);
    const restored = await patch(`folders/${a.body.id}`, { folder: { parent_id: root.id } });
    t.match(restored, { status: 200, body: { is_deleted: false } });
    const bin = root.folders.find((f: { is_recycle_bin: boolean }) => f.is_recycle_bin);
    t.equal((await remove(`folders/${bin.id}`)).status, 403);
    t.equal((await post('folders', { folder: {} })).status, 400);
    t.equal((await post('folders', {})).status, 400);
  });

  t.test('a single upload becomes a file, then a version', async (t) => {
    const bytes = bytesBy(1, 400_000);
    const file = { parent_id: root.id, name: 'one.bin', upload_uuid: await uploaded(client, bytes) };
    const made = await post('files', { file });
    t.match(made, { status: 201, body: { name: 'one.bin', size: bytes.length, file_versions: [{ number: 1 }] } });
    const read = await fetch(made.body.file_versions[0].url);
    t.equal(hash('sha256', new Uint8Array(await read.arrayBuffer())), hash('sha256', bytes));
    t.equal((await post('files', { file: { ...file, name: 'two.bin' } })).status, 400, 'an upload is good once');
    const again = await post('files', { file: { ...file, upload_uuid: await uploaded(client, bytes) } });
    t.match(again, { status: 400, body: { errors: { name: ['has already been taken'] } } });
    const unique = { ...file, upload_uuid: await uploaded(client, bytes), unique_name: true };
    t.match(await post('files', { file: unique }), { status: 201, body: { name: 'one (1).bin' } });
    const next = { upload_uuid: await uploaded(client, Buffer.from('v2')), name: 'renamed.bin' };
    const second = await patch(`files/${made.body.id}`, { file: next });
    t.match(second, { status: 200, body: { name: 'renamed.bin', size: 2, file_versions: [{}, { number: 2 }] } });
    const version = { file_version: { upload_uuid: await uploaded(client, Buffer.from('v3')), notes: 'by hand' } };
    const third = await client.ask(`/rest/v1.0/file_versions?project_id={project}&file_id=${made.body.id}`, {
      method: 'POST',
      body: version,
    });
    t.match(third, { status: 201, body: { number: 3, notes: 'by hand', size: 2, file_id: made.body.id } });
    const form = new FormData();
    form.append('file[parent_id]', String(root.id));
    form.append('file[name]', 'old "way".txt');
    form.append('file[data]', new Blob(['data']), 'ignored.txt');
    t.match(await post('files', form), { status: 201, body: { name: 'old "way".txt', size: 4 } });
    t.equal((await remove(`files/${made.body.id}`)).status, 200);
    const bin = (await client.documents('filters[is_in_recycle_bin]=true&per_page=500')).body;
    t.ok(bin.some(({ id }: { id: number }) => id === made.body.id));
  });

  t.test('the storage is strict about a single upload', async (t) => {
    const body = { response_filename: 'x', size: 5 };
    const announce = () => client.ask(UPLOADS, { method: 'POST', body });
    t.equal((await send(await announce(), Buffer.from('12345'), 'policy')).status, 403, 'a field is missing');
    t.equal((await send(await announce(), Buffer.from('123456'))).status, 400, 'larger than announced');
    t.equal((await send(await announce(), Buffer.from('12345'))).status, 204);
    const { url } = (await announce()).body;
    const headers = { authorization: 'Bearer x' };
    t.equal((await fetch(url, { method: 'POST', headers, body: new FormData() })).status, 400);
    t.equal((await fetch(url, { method: 'POST', body: 'no form' })).status, 412);
    const unfinished = { file: { name: 'never', upload_uuid: (await announce()).body.uuid } };
    t.equal((await post('files', unfinished)).status, 400);
    await server.admin.limits({ uploadTtl: 0 });
    t.equal((await send(await announce(), Buffer.from('12345'))).status, 403, 'too late');
    await server.admin.limits({ uploadTtl: 3600 });
    t.equal((await client.ask(UPLOADS, { method: 'POST', body: {} })).status, 400);
  });

  t.test('an upload in segments', async (t) => {
    const parts = [bytesBy(1, 5 * 2 ** 20), bytesBy(2, 1000)];
    const segments = parts.map((part) => ({
      size: part.length,
      sha256: hash('sha256', part),
      md5: hash('md5', part),
    }));
    const reversed = { response_filename: 'x', segments: [...segments].reverse() };
    t.equal((await client.ask(UPLOADS, { method: 'POST', body: reversed })).status, 400, 'only the last may be small');
    const announced = await client.ask(UPLOADS, { method: 'POST', body: { response_filename: 'x', segments } });
    t.match(announced, { status: 201, body: { status: 'ready' } });
    const put = (i: number, body: Uint8Array, type = 'application/octet-stream') => {
      const { url, headers } = announced.body.segments[i];
      const init = { method: 'PUT', headers: { ...headers, 'content-type': type } };
      return fetch(url, { ...init, body: body as Uint8Array<ArrayBuffer> });
    };
    t.equal((await put(1, bytesBy(3, 1000))).status, 400, 'a wrong digest');
    t.equal((await put(1, bytesBy(4, 999))).status, 400, 'a wrong size');
    t.equal((await put(1, parts[1]!, 'text/plain')).status, 403, 'a wrong type');
    const etags: { etag: string | null }[] = [];
    for (const [i, part] of parts.entries()) etags.push({ etag: (await put(i, part)).headers.get('etag') });
    const finish = (list: unknown) =>
      client.ask(`${UPLOADS}/${announced.body.uuid}`, { method: 'PATCH', body: { segments: list } });
    t.equal((await finish([...etags].reverse())).status, 422);
    t.match(await finish(etags), { status: 200, body: { status: 'complete' } });
    t.match((await client.ask(`${UPLOADS}/${announced.body.uuid}`)).body, { status: 'complete' });
    const made = await post('files', { file: { name: 'large.bin', upload_uuid: announced.body.uuid } });
    t.equal(made.body.size, 5 * 2 ** 20 + 1000);
    const range = `bytes=${5 * 2 ** 20 - 10}-${5 * 2 ** 20 + 9}`;
    const middle = await fetch(made.body.file_versions[0].url, { headers: { range } });
    const expected = Buffer.concat([parts[0]!.subarray(-10), parts[1]!.subarray(0, 10)]);
    t.strictSame(Buffer.from(await middle.arrayBuffer()), expected);
  });

  t.test('what another has checked out takes no new version', async (t) => {
    const { id } = await server.admin.change({ op: 'create', path: 'locked.txt', content: 'x' });
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const own = await patch(`files/${id}`, { file: { checked_out_until: until } });
    t.match(own.body, { checked_out_by: { name: 'Procorefs Service Account' } });
    const upload = { file: { upload_uuid: await uploaded(client, Buffer.from('2')) } };
    t.match((await patch(`files/${id}`, upload)).body, { checked_out_by: null, size: 1 }, 'an upload checks in');
    await server.admin.change({ op: 'checkout', path: 'locked.txt', by: 'Ben Whitaker' });
    const other = { file: { upload_uuid: await uploaded(client, Buffer.from('3')) } };
    t.match(await patch(`files/${id}`, other), { status: 409, body: { errors: { base: [/Ben/] }, file: { id } } });
    t.equal((await patch(`files/${id}`, { file: { checked_out_until: until } })).status, 409);
    t.equal((await patch(`files/${id}`, { file: { description: 'still possible' } })).status, 200);
    await server.admin.change({ op: 'checkout', path: 'locked.txt', by: null });
    t.equal((await patch(`files/${id}`, other)).status, 200);
    t.equal((await patch(`files/${id}`, { file: { checked_out_until: '2001-01-01T00:00:00Z' } })).status, 400);
  });

  t.test('name rules are switches', async (t) => {
    const make = async (name: string) => {
      const { status, body } = await post('folders', { folder: { name, parent_id: root.id } });
      return status === 201 ? body.name : status;
    };
    t.equal(await make('a:b'), 'a:b');
    await server.admin.switches({ 'name-characters': 'replaced' });
    t.equal(await make('c:d/e'), 'c-d-e');
    await server.admin.switches({ 'name-characters': 'refused' });
    t.equal(await make('f|g'), 400);
    t.equal(await make('A:B'.toLowerCase().replace(':', '')), 'ab');
    await server.admin.switches({ 'name-case': 'insensitive' });
    t.equal(await make('AB'), 400);
    await server.admin.switches({ 'name-edges': 'trimmed' });
    t.equal(await make(' edge. '), 'edge');
    t.equal(await make('é'.normalize('NFD')), 'é'.normalize('NFD'));
    await server.admin.switches({ 'name-twins': 'clash' });
    t.equal(await make('é'.normalize('NFC')), 400);
    t.equal(await make('x'.repeat(256)), 400);
    await server.admin.change({ op: 'create', path: 'clash', content: '' });
    t.equal(await make('clash'), 'clash', 'beside the file');
    await server.admin.change({ op: 'create', path: 'clash2', content: '' });
    await server.admin.switches({ 'file-folder-clash': 'refused' });
    t.equal(await make('clash2'), 400);
    await server.admin.change({ op: 'delete', path: 'clash2', type: 'file' });
    await server.admin.switches({ 'recycled-name': 'blocked' });
    t.equal(await make('clash2'), 400);
    await server.admin.switches({ executables: 'refused' });
    const file = { name: 'tool.EXE', upload_uuid: await uploaded(client, Buffer.from('MZ')) };
    t.equal((await post('files', { file })).status, 422);
  });

  t.test('a project that may only be read refuses every change', async (t) => {
    await server.admin.switches({ 'project-access': 'read' });
    t.equal((await post('folders', { folder: { name: 'no' } })).status, 403);
    t.equal((await client.ask(UPLOADS, { method: 'POST', body: { response_filename: 'x' } })).status, 403);
    t.equal((await client.folders()).status, 200);
  });
});

t.test('large uploads lie in a temporary folder that goes with the simulator', async (t) => {
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('procorefs-simulator-'));
  const before = new Set(folders());
  const server = await simulator(t, roomy);
  const client = await SimulatorClient.signedIn(server);
  await uploaded(client, bytesBy(1, 600_000));
  t.ok(folders().some((name) => !before.has(name)));
  await server.close();
  t.strictSame(
    folders().filter((name) => !before.has(name)),
    [],
  );
});
