import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { isFailure } from '#src/base/errors.js';
import { asCompanyId, asProjectId, asRemoteId } from '#src/base/ids.js';
import { errorTexts } from '#src/procore/reply-error.js';
import { budgetBench } from '../scenarios/budget.js';
import { fakeServer, json, testBudget, testClient } from '../support/net-server.js';
import { bytesBy } from '../support/random.js';

const background = { class: 'background' } as const;
const project = asProjectId(562949954923622);

const folderRow = { id: 607848046, name: 'Z/Research', parent_id: 48925088, updated_at: '2022-12-22T21:02:00Z' };
const fileRow = {
  id: 607852186,
  name: 'test.pdf',
  parent_id: 48925088,
  size: 10,
  updated_at: '2022-12-22T21:02:00Z',
  created_at: '2022-12-20T21:02:00Z',
  checked_out_by: { id: 3, login: 'x@example.com', name: 'X' },
  checked_out_until: '2030-01-01T00:00:00Z',
  file_versions: [
    {
      id: 2,
      number: 2,
      size: 29966,
      url: 'https://s/2',
      created_at: '2022-12-22T21:02:00Z',
      created_by: { id: 9, name: 'Y' },
    },
    { id: 1, number: 1, size: 10, url: 'https://s/1', created_at: '2022-12-20T21:02:00Z' },
  ],
};
const indexRow = {
  ...folderRow,
  id: 5,
  document_type: 'file',
  name: 'a:b',
  is_deleted: true,
  private: true,
  file: { current_version: { ...fileRow.file_versions[0], id: 487663655 }, checked_out_by: null, unknown_key: [1] },
  some_new_key: { deep: true },
};

t.test('an index page keeps its good rows and reports the bad ones', async (t) => {
  const rows = [
    indexRow,
    { ...indexRow, id: 6, name: null },
    'nonsense',
    { ...indexRow, id: 7, updated_at: 'yesterday' },
    { ...indexRow, id: '8', document_type: 'folder', file: null },
    { ...indexRow, id: 2 ** 53 },
  ];
  const server = await fakeServer(t, (_, response) =>
    json(response, 200, rows, { total: '12345', date: 'Tue, 24 Nov 2026 12:00:00 GMT' }),
  );
  const client = testClient(t, server.url, { companyId: asCompanyId(42) });
  const filter = { updatedFrom: 1474648200, type: 'file', folderId: asRemoteId(9) } as const;
  const page = await client.indexPage(project, { page: 3, perPage: 2000, filter }, background);

  t.equal(page.total, 12345);
  t.equal(page.serverTime, Date.UTC(2026, 10, 24, 12) / 1000);
  t.strictSame(
    page.items.map((item) => [item.id, item.type, item.name, item.deleted]),
    [
      [5, 'file', 'a:b', true],
      [8, 'folder', 'a:b', true],
    ],
  );
  t.match(page.items[0]?.version, { id: 487663655, number: 2, size: 29966, url: 'https://s/2', createdBy: 'Y' });
  t.strictSame(
    page.bad.map((row) => row.id),
    [6, undefined, 7, undefined],
  );
  t.match(page.bad[2]?.problem, /updated_at/);

  const url = new URL(server.requests[0]!.url!, server.url);
  t.equal(url.pathname, `/rest/v1.0/projects/${project}/documents`);
  t.match(Object.fromEntries(url.searchParams), {
    view: 'extended',
    page: '3',
    per_page: '2000',
    sort: 'updated_at',
    'filters[document_type]': 'file',
    'filters[folder_id]': '9',
    'filters[updated_at]': /^2016-09-23T16:30:00Z\.\.\.2026-/,
  });
  t.equal(server.requests[0]!.headers['procore-company-id'], '42');
  t.equal(server.requests[0]!.headers.authorization, 'Bearer t1');
});

t.test('a folder lists its children, of a file the newest version', async (t) => {
  const root = { ...folderRow, id: 1, parent_id: null, folders: [folderRow, { id: 'x' }], files: [fileRow] };
  const server = await fakeServer(t, (_, response) => json(response, 200, root));
  const { folder, children, bad } = await testClient(t, server.url).rootFolder(project, background);
  t.equal(folder.parentId, null);
  t.equal(children.length, 2);
  t.equal(bad.length, 1);
  t.match(children[1], {
    version: { id: 2, number: 2, size: 29966 },
    createdAt: Date.UTC(2022, 11, 20, 21, 2) / 1000,
    checkedOutBy: 'X',
    checkedOutUntil: Date.UTC(2030, 0, 1) / 1000,
  });
});

t.test('lists are walked page by page, with and without a Total', async (t) => {
  const all = Array.from({ length: 250 }, (_, i) => ({ id: i + 1, name: `P${i}` }));
  for (const total of [{ total: '250' }, {}]) {
    const server = await fakeServer(t, (request, response) => {
      const page = Number(new URL(request.url!, 'http://x').searchParams.get('page'));
      json(response, 200, all.slice((page - 1) * 100, page * 100), total);
    });
    const seen: string[] = [];
    for await (const projects of testClient(t, server.url).projects(asCompanyId(7), background))
      seen.push(...projects.map((one) => one.name));
    t.equal(seen.length, 250);
    t.equal(server.requests.length, 3);
    t.match(server.requests[0]?.url, /company_id=7.*per_page=100$/);
    t.equal(server.requests[0]?.headers['procore-company-id'], '7');
  }
});

t.test('lists are asked for in pages that a server with a maximum of 100 rows takes', async (t) => {
  const settings = { projects: 120, items: 1, spike: 1000, switch: ['per-page-beyond=400', 'per-page-most=100'] };
  const { session, running } = await budgetBench(t, settings);
  const seen: number[] = [];
  for await (const page of session.client.projects(asCompanyId(running.ready.company_id), background))
    seen.push(...page.map((one) => one.id));
  t.strictSame(
    seen,
    running.ready.projects.map((one) => one.id),
  );
  for await (const companies of session.client.companies(background)) t.equal(companies.length, 1);
});

t.test('a refused token is replaced', async (t) => {
  const server = await fakeServer(t, (request, response) =>
    request.headers.authorization === 'Bearer t2'
      ? json(response, 200, { id: 1, login: 'a', name: null })
      : json(response, 401, { errors: 'The access token is invalid' }),
  );
  const client = testClient(t, server.url);
  t.match(await client.me(background), { id: 1, login: 'a' });
  t.equal(server.requests.length, 2);

  const never = await fakeServer(t, (_, response) => json(response, 401, { errors: 'The access token is invalid' }));
  await t.rejects(testClient(t, never.url).me(background), { code: 'signed-out', message: /"Test"/ });
  t.equal(never.requests.length, 3, 'and not again and again');
});

const passing: Record<string, (response: ServerResponse) => void> = {
  'HTTP 408': (response) => json(response, 408, {}),
  'HTTP 500 with HTML': (response) => json(response, 500, '<html>oops</html>', { 'content-type': 'text/html' }),
  'HTTP 502 without a body': (response) => json(response, 502, ''),
  'HTTP 503': (response) => json(response, 503, '', { 'retry-after': '0' }),
  'HTTP 429': (response) => json(response, 429, { errors: 'You have surpassed' }, { 'retry-after': '0' }),
  'a reset': (response) => void response.socket?.destroy(),
  'a body that ends early': (response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"id":');
    setTimeout(() => response.socket?.destroy(), 20);
  },
  'JSON that breaks off': (response) => json(response, 200, '{"id": 1, "na'),
};
for (const [name, fail] of Object.entries(passing)) {
  t.test(`${name} is passed over by asking again`, async (t) => {
    const server = await fakeServer(t, (_, response, n) => (n === 1 ? fail(response) : json(response, 200, { id: 1 })));
    const windows = { hour: 3_600_000, spike: 50 };
    const client = testClient(t, server.url, { budget: testBudget(t, { windows }) });
    t.match(await client.me(background), { id: 1 });
    t.equal(server.requests.length, 2);
  });
}

t.test('what does not pass ends after a few attempts with a failure that says what', async (t) => {
  const cases: [(response: ServerResponse) => void, string, number][] = [
    [(r) => json(r, 500, '<html>'), 'server-error', 4],
    [(r) => json(r, 200, 'surprise'), 'bad-reply', 4],
    [(r) => void r.socket?.destroy(), 'unreachable', 4],
    [(r) => json(r, 404, { message: 'Not Found' }), 'gone', 1],
    [(r) => json(r, 403, { errors: ['App is not connected to this company.'] }), 'app-not-installed', 1],
    [(r) => json(r, 403, { error: 'Forbidden' }), 'tool-not-permitted', 1],
    [(r) => json(r, 400, 'Missing Procore-Company-Id header! See the docs'), 'company-needed', 1],
    [(r) => json(r, 400, { message: 'Missing Procore-Company-Id header! See the docs' }), 'company-needed', 1],
    [(r) => json(r, 422, { errors: { name: ['is odd', 'is long'] } }), 'request-refused', 1],
  ];
  for (const [answer, code, requests] of cases) {
    const server = await fakeServer(t, (_, response) => answer(response));
    const error = await testClient(t, server.url)
      .folder(project, asRemoteId(1), background)
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    t.ok(isFailure(error) && error.code === code, `${code}: ${error}`);
    t.equal(server.requests.length, requests, code);
  }
});

t.test('a server that is not there, and a call that is given up', async (t) => {
  const client = testClient(t, 'http://127.0.0.1:9');
  await t.rejects(client.me(background), { code: 'unreachable', details: { host: '127.0.0.1:9' } });

  const silent = await fakeServer(t, () => undefined);
  const reason = new Error('enough');
  const signal = AbortSignal.timeout(50);
  const waiting = testClient(t, silent.url).me({ ...background, signal });
  await t.rejects(waiting, { name: 'TimeoutError' });
  const controller = new AbortController();
  controller.abort(reason);
  await t.rejects(testClient(t, silent.url).me({ ...background, signal: controller.signal }), reason);
});

t.test('texts of an error reply are found wherever they stand', async (t) => {
  t.strictSame({ ...errorTexts({ errors: 'a' }) }, { base: ['a'] });
  t.strictSame({ ...errorTexts({ errors: ['a', 'b'] }) }, { base: ['a', 'b'] });
  t.strictSame({ ...errorTexts({ errors: { name: ['taken'], base: ['x'] } }) }, { name: ['taken'], base: ['x'] });
  t.strictSame({ ...errorTexts({ error: { message: 'a' }, message: 'b' }) }, { message: ['a'], base: ['b'] });
  t.strictSame({ ...errorTexts({ errors: { file: { name: 'taken' } } }) }, { 'file.name': ['taken'] });
  t.strictSame({ ...errorTexts({ message: '\u001b[31mred' }) }, { base: ['\\x1b[31mred'] });
  t.strictSame(
    { ...errorTexts({ error: 'invalid_grant', error_description: 'no' }) },
    { base: ['invalid_grant', 'no'] },
  );
  for (const other of [undefined, 'of an internal host', ['of', 'an', 'internal', 'host'], { data: { key: 'secret' } }])
    t.strictSame({ ...errorTexts(other) }, {}, 'nothing that is no error of the API is quoted');
});

t.test('compressed replies are understood, small and large; a damaged one is asked for again', async (t) => {
  const plain = (count: number) => Buffer.from(JSON.stringify(Array.from({ length: count }, (_, n) => row(n))));
  const row = (n: number) => ({
    ...indexRow,
    id: n + 1,
    name: `${bytesBy(n, 9).toString('hex')} ${n}`,
    is_deleted: false,
  });
  const small = plain(3);
  const large = plain(3000);
  let bodies: Buffer[] = [];
  const server = await fakeServer(t, (_, response) => {
    const body = bodies.length > 1 ? bodies.shift()! : bodies[0]!;
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(body);
  });
  const client = testClient(t, server.url, { companyId: asCompanyId(42) });
  const names = async () => {
    const { items, bad } = await client.indexPage(project, { page: 1, perPage: 5000 }, background);
    t.equal(bad.length, 0);
    return items.map(({ name }) => name);
  };
  const expected = (rows: Buffer): string[] =>
    (JSON.parse(rows.toString()) as { name: string }[]).map(({ name }) => name);
  bodies = [gzipSync(small)];
  t.strictSame(await names(), expected(small));
  t.equal(server.requests.at(-1)!.headers['accept-encoding'], 'gzip');
  bodies = [gzipSync(large)];
  t.ok(bodies[0]!.length > 50_000, 'it is not one of those that are decompressed as they arrive');
  t.strictSame(await names(), expected(large));

  const damaged = Buffer.from(gzipSync(small));
  damaged[damaged.length - 7]! ^= 1;
  bodies = [damaged, damaged, gzipSync(small)];
  const before = server.requests.length;
  t.strictSame(await names(), expected(small));
  t.equal(server.requests.length - before, 3, 'a small one at once');
  bodies = [damaged];
  await t.rejects(names(), { code: 'bad-reply' });

  const listing = (count: number) =>
    Buffer.from(
      JSON.stringify({
        ...folderRow,
        files: Array.from({ length: count }, (_, n) => ({
          ...fileRow,
          id: n + 1,
          name: `${bytesBy(n, 9).toString('hex')}.pdf`,
        })),
      }),
    );
  const whole = gzipSync(listing(3000));
  const broken = Buffer.from(whole);
  broken[whole.length - 7]! ^= 1;
  bodies = [broken, whole];
  t.equal(
    (await client.folder(project, asRemoteId(607848046), background)).children.length,
    3000,
    'a large one when it is read',
  );
  bodies = [broken];
  await t.rejects(client.folder(project, asRemoteId(607848046), background), { code: 'bad-reply' });
  await t.rejects(names(), { code: 'bad-reply' });
});
