import { createHash } from 'node:crypto';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { SavedUpload, UploadSource, UploadsOptions } from '#src/procore/uploads.js';
import { LARGEST_UPLOAD_BYTES, Uploads } from '#src/procore/uploads.js';
import { fakeServer, json, scratch, testClient } from '../support/net-server.js';
import { bytesBy } from '../support/random.js';
import { background, writing } from '../support/writing.js';
import { uploadLarge } from '../support/writing-large.js';

const MIB = 2 ** 20;
const small = { segmentAbove: 6 * MIB, segmentSize: 5 * MIB };
const w = await writing(t);
const { server, writes, project, root } = w;
const { admin } = server;
const folder = scratch(t);
let n = 0;

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const pieces = (bytes: Uint8Array, size = 70_000): UploadSource =>
  async function* (start, end) {
    for (let at = start; at < end; at += size) yield bytes.subarray(at, Math.min(end, at + size));
  };
const saving = (): { states: SavedUpload[]; save(state: SavedUpload): void } => {
  const states: SavedUpload[] = [];
  // As through a database.
  return { states, save: (state) => void states.push(JSON.parse(JSON.stringify(state))) };
};

/** Makes a file of an upload, and says which bytes the server has. */
async function stored(uuid: string): Promise<string | null | undefined> {
  const name = `stored ${++n}`;
  await writes.createFile(project, { parentId: root, name, uploadUuid: uuid }, background);
  return (await admin.tree()).find((entry) => entry.path === name)?.sha256;
}

t.test('files of every size arrive as they are, from a path, a descriptor and a stream, for one call', async (t) => {
  const uploads = w.uploads();
  for (const size of [0, 1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 3 * MIB]) {
    const bytes = bytesBy(size, size);
    const path = join(folder, `${size}`);
    writeFileSync(path, bytes);
    const fd = openSync(path, 'r');
    for (const source of [path, fd, pieces(bytes)]) {
      await admin.reset();
      const seen: number[] = [];
      const progress = (sent: number) => void seen.push(sent);
      const request = { name: 'näme "x".bin', size, source, progress };
      const { uuid } = await uploads.upload(project, request, background);
      t.equal((await admin.calls()).total, 1);
      t.equal(seen.at(-1) ?? 0, size);
      t.equal(await stored(uuid), hashOf(bytes), `${size} bytes from a ${typeof source}`);
    }
    closeSync(fd);
  }
});

t.test('a large file goes in segments, side by side, for two calls', async (t) => {
  const bytes = bytesBy(1, 17 * MIB + 1234);
  await admin.reset();
  const { states, save } = saving();
  const request = { name: 'a', size: bytes.length, source: pieces(bytes), save };
  const { uuid } = await w.uploads(small).upload(project, request, background);
  const calls = await admin.calls();
  t.equal(calls.total, 2);
  t.equal(calls.storage.uploads, 4);
  t.strictSame(
    states.map((state) => [state.complete, state.segments.filter(({ etag }) => etag).length]),
    [
      [false, 0],
      [false, 1],
      [false, 2],
      [false, 3],
      [false, 4],
      [true, 4],
    ],
  );
  t.equal(await stored(uuid), hashOf(bytes));
});

t.test('after a failure only the missing segments are sent, and nothing at all once it is complete', async (t) => {
  const bytes = bytesBy(1, 23 * MIB);
  const source = pieces(bytes);
  const { states, save } = saving();
  const request = { name: 'a', size: bytes.length, source, save };
  await admin.faults({
    '503-retry-after': { probability: 1, on: ['storage'], route: 'PUT', after: 2, retry_after: 0 },
  });
  await t.rejects(w.uploads({ ...small, parallel: 2 }).upload(project, request, background), {
    code: 'upload-failed',
    errno: 'EIO',
    line: /503.*SlowDown/,
  });
  await admin.noFaults();
  const saved = states.at(-1)!;
  t.equal(saved.segments.filter(({ etag }) => etag).length, 2);

  await admin.reset();
  const seen: number[] = [];
  const resumed = { ...request, resume: saved, progress: (sent: number) => void seen.push(sent) };
  const { uuid } = await w.uploads(small).upload(project, resumed, background);
  t.equal(uuid, saved.uuid);
  t.match(await admin.calls(), { total: 1, storage: { uploads: 3 } });
  t.ok(seen[0]! >= 10 * MIB && seen.at(-1) === bytes.length, 'progress goes on where it was');

  await admin.reset();
  const complete = states.at(-1)!;
  t.same(await w.uploads(small).upload(project, { ...request, resume: complete }, background), { uuid });
  t.match(await admin.calls(), { total: 0, storage: { uploads: 0 } });
  t.equal(await stored(uuid), hashOf(bytes));

  t.test('what was saved of other content, of long ago, or with bad addresses is not gone on with', async (t) => {
    const other = Buffer.from(bytes);
    other[22 * MIB] = other[22 * MIB]! ^ 1;
    const isNew = async (resume: SavedUpload, content = bytes) => {
      const next = { ...request, source: pieces(content), resume };
      const made = await w.uploads(small).upload(project, next, background);
      t.not(made.uuid, resume.uuid);
      t.equal(await stored(made.uuid), hashOf(content));
    };
    await isNew(complete, other);
    await isNew(saved, other);
    await isNew({ ...saved, startedAt: Date.now() - 3_600_000 });
    await isNew({ ...complete, startedAt: Date.now() - 8 * 86_400_000 });
    await isNew({ ...saved, startedAt: Date.now() + 3_600_000 });
    const segments = saved.segments.map(({ url, ...rest }) => ({ ...rest, ...(url ? { url: `${url}x` } : {}) }));
    await isNew({ ...saved, segments });
    await isNew({ ...saved, uuid: '00000000-0000-0000-0000-000000000000' });
  });
});

t.test('what passes is passed over: resets, 5xx, lost replies', async (t) => {
  const bytes = bytesBy(1, 11 * MIB);
  for (const options of [{}, small]) {
    const upload = async (fault: string, setting: object) => {
      await admin.faults({ [fault]: { probability: 1, count: 2, ...setting } });
      const seen: number[] = [];
      const progress = (sent: number) => void seen.push(sent);
      const request = { name: 'a', size: bytes.length, source: pieces(bytes), progress };
      const { uuid } = await w.uploads(options).upload(project, request, background);
      t.equal(seen.at(-1), bytes.length, 'what had to be sent again counts once');
      t.ok((await admin.faults({}))[fault]!.hits >= 2, fault);
      await admin.noFaults();
      t.equal(await stored(uuid), hashOf(bytes), fault);
    };
    await upload('reset-before', { on: ['storage'] });
    await upload('503-retry-after', { on: ['storage'], retry_after: 0 });
    await upload('reset-after', { route: 'uploads' });
    await upload('500-html', { route: 'uploads' });
  }
});

t.test('addresses that are too old are replaced once', async (t) => {
  const request = { name: 'a', size: 5, source: pieces(Buffer.from('12345')) };
  await admin.limits({ uploadTtl: 0 });
  await admin.reset();
  await t.rejects(w.uploads().upload(project, request, background), { code: 'upload-failed', line: /twice/ });
  t.equal((await admin.calls()).total, 2);
  await admin.limits({ uploadTtl: 3600 });
  await w.uploads().upload(project, request, background);
});

t.test('content that changes meanwhile is never published', async (t) => {
  const before = bytesBy(1, 11 * MIB);
  const after = Buffer.from(before);
  after[after.length - 1] = after.at(-1)! ^ 1;
  const changed = { code: 'content-changed', errno: 'EBUSY' };
  for (const [options, size] of [
    [{}, 400_000],
    [small, before.length],
  ] as const) {
    let reads = 0;
    const changing: UploadSource = (start, end) => {
      reads++;
      const isSecond = reads > (size > small.segmentAbove && options === small ? 3 : 1);
      const tail = isSecond ? after : before;
      return (pieces(tail.subarray(before.length - size)) as (s: number, e: number) => AsyncIterable<Uint8Array>)(
        start,
        end,
      );
    };
    const { states, save } = saving();
    const request = { name: 'a', size, source: changing, save };
    await t.rejects(w.uploads(options).upload(project, request, background), changed);
    t.notOk(states.some((state) => state.complete));
  }
  const short = pieces(before.subarray(0, 100));
  await t.rejects(w.uploads().upload(project, { name: 'a', size: 101, source: short }, background), changed);
  const long: UploadSource = async function* () {
    yield Buffer.alloc(200);
  };
  await t.rejects(w.uploads().upload(project, { name: 'a', size: 150, source: long }, background), changed);
  const path = join(folder, 'grown');
  writeFileSync(path, 'grown');
  await t.rejects(w.uploads().upload(project, { name: 'a', size: 4, source: path }, background), changed);
  const nowhere = { name: 'a', size: 4, source: join(folder, 'nowhere') };
  await t.rejects(w.uploads().upload(project, nowhere, background), { code: 'content-unreadable' });
});

t.test('what Procore does not take is refused before or at the first call', async (t) => {
  await admin.reset();
  const request = { name: 'a', size: LARGEST_UPLOAD_BYTES + 1, source: pieces(Buffer.alloc(0)) };
  await t.rejects(w.uploads().upload(project, request, background), { code: 'content-refused' });
  t.equal((await admin.calls()).total, 0);
  await admin.switches({ 'empty-file': 'refused' });
  const empty = { ...request, size: 0 };
  await t.rejects(w.uploads().upload(project, empty, background), { code: 'content-refused', errno: 'EINVAL' });
  await admin.switches({ 'empty-file': 'accepted', 'project-access': 'read' });
  await t.rejects(w.uploads().upload(project, empty, background), { code: 'not-permitted' });
  await admin.switches({ 'project-access': 'write', 'upload-status': '201' });
  await w.uploads().upload(project, { ...request, size: 1, source: pieces(Buffer.from('1')) }, background);
});

/** An API that announces uploads to a storage that behaves as the test says. */
async function fakes(
  t: Test,
  storage: (request: import('node:http').IncomingMessage, response: ServerResponse, n: number) => void,
  announce: (url: string) => object = (url) => ({ uuid: 'u', url, fields: { 'a"b': 'x\r\ny', n: 1 } }),
  options: UploadsOptions = {},
) {
  const store = await fakeServer(t, storage);
  const api = await fakeServer(t, (request, response) => {
    if (request.method === 'PATCH') return json(response, 422, { errors: { base: ['no'] } });
    json(response, request.method === 'GET' ? 200 : 201, {
      status: 'complete',
      ...announce(`${store.url}/up?sig=secret`),
    });
  });
  const uploads = new Uploads(testClient(t, api.url).api, { ...options, idleTimeout: 400, connections: 2 });
  t.teardown(() => uploads.close());
  return { store, api, uploads };
}

t.test('the storage never sees the token, and its refusal is told without the signature', async (t) => {
  const { store, uploads } = await fakes(t, (request, response) => {
    request.resume();
    response.writeHead(400).end('<Error><Code>EntityTooLarge</Code><Message>Too large</Message></Error>');
  });
  const request = { name: 'a', size: 3, source: pieces(Buffer.from('123')) };
  const error = await uploads.upload(project, request, background).catch((caught) => caught);
  t.match(error, { code: 'upload-failed', line: /400 \(EntityTooLarge, Too large\)/ });
  t.notMatch(error.line, /secret/);
  t.equal(store.requests.length, 1, 'and it is not tried again');
  t.equal(store.requests[0]?.headers.authorization, undefined);
  t.equal(store.requests[0]?.headers['procore-company-id'], undefined);
});

t.test('an answer before everything has arrived is not taken for success', async (t) => {
  let received = 0;
  const { uploads } = await fakes(t, (request, response, n) => {
    if (n === 1) return void response.writeHead(204).end();
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on('end', () => response.writeHead(204).end());
  });
  const request = { name: 'a', size: 32 * MIB, source: pieces(Buffer.alloc(32 * MIB)) };
  await uploads.upload(project, request, background);
  t.ok(received > 32 * MIB);
});

t.test('a storage that does not read holds the source back, and is given up', async (t) => {
  const abort = new AbortController();
  const { uploads } = await fakes(t, (request) => {
    request.pause();
    setTimeout(() => abort.abort(new Error('enough')), 200);
  });
  let pulled = 0;
  const source: UploadSource = async function* (start, end) {
    for (let at = start; at < end; at += MIB) {
      pulled += MIB;
      yield Buffer.alloc(MIB);
    }
  };
  const size = 64 * MIB;
  const call = uploads.upload(project, { name: 'a', size, source, signal: abort.signal }, background);
  await t.rejects(call, { message: 'enough' });
  t.ok(pulled > size, 'sending had begun after hashing');
  t.ok(pulled < size + size / 2, `and went no further than the buffers of the sockets: ${pulled - size}`);
  await t.rejects(uploads.upload(project, { name: 'a', size: MIB, source }, background), { code: 'upload-failed' });
});

t.test('an upload that is complete already, because a reply was lost, is found out by looking', async (t) => {
  const put = (request: import('node:http').IncomingMessage, response: ServerResponse) => {
    request.resume();
    request.on('end', () => response.writeHead(200, { etag: '"e"' }).end());
  };
  const headers = { 'Content-Length': '5', Authorization: 'Bearer stolen', 'Content-MD5': 'x' };
  const segments = (url: string) => ({ uuid: 'u/1', segments: [1, 2].map(() => ({ url, headers })) });
  const { api, store, uploads } = await fakes(t, put, segments, small);
  const size = 7 * MIB;
  const request = { name: 'a', size, source: pieces(Buffer.alloc(size)) };
  t.same(await uploads.upload(project, request, background), { uuid: 'u/1' });
  t.strictSame(
    api.requests.map(({ method, url }) => `${method} ${url?.replace(/^.*uploads/, '')}`),
    ['POST ', 'PATCH /u%2F1', 'GET /u%2F1'],
  );
  t.match(store.requests[0]?.headers, { 'content-md5': 'x', 'content-type': 'application/octet-stream' });
  t.equal(store.requests[0]?.headers.authorization, undefined);
});

t.test('an announcement that makes no sense is a bad reply', async (t) => {
  const request = { name: 'a', size: 7 * MIB, source: pieces(Buffer.alloc(7 * MIB)) };
  for (const [announced, code] of [
    [{ uuid: 'u' }, 'bad-reply'],
    [{ uuid: 5, url: 'http://x' }, 'bad-reply'],
    [{ uuid: 'u', segments: [{ url: 'http://x' }] }, 'bad-reply'],
    [{ uuid: 'u', url: 'file:///etc/passwd', fields: {} }, 'upload-failed'],
    [{ uuid: 'u', url: 'no url', fields: {} }, 'upload-failed'],
  ] as const) {
    const { uploads } = await fakes(
      t,
      (_, response) => void response.end(),
      () => announced,
      small,
    );
    await t.rejects(uploads.upload(project, request, background), { code });
  }
});

t.test('64 MiB from a stream', async (t) => {
  await uploadLarge(t, w, 64 * MIB);
});
