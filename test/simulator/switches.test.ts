import t from 'tap';
import { switchTable } from '#src/simulator/switches.js';
import { simulator } from '../support/simulator.js';
import { SimulatorClient } from '../support/simulator-client.js';

const server = await simulator(t, { items: 300, projects: 2, hourly: 100_000, spike: 100_000, spikeSeconds: 1 });
const client = await SimulatorClient.signedIn(server);
const { admin, ready } = server;
let serial = 0;
/** Seconds that the server's clock is ahead: time passes without waiting. */
let later = 0;
const unique = () => `thing ${++serial}`;

type Row = Record<string, unknown> & { id: number; name: string; is_deleted: boolean; parent_id: number };

const rows = async (query = ''): Promise<Row[]> =>
  (await client.documents(`per_page=5000&view=extended&${query}`)).body;
const rowOf = async (id: number) => (await rows()).find((row) => row.id === id);
const root = async () => (await client.folders()).body;
const request = (method: string, path: string, body?: unknown) =>
  client.ask(`/rest/v1.0/${path}?project_id={project}`, { method, ...(body === undefined ? {} : { body }) });
const makeFile = (name = unique(), content = 'x') => admin.change({ op: 'create', parent: '', name, content });
const makeFolder = (name = unique(), parent = '') => admin.change({ op: 'create', parent, name, type: 'folder' });
const withoutCompany = async (path: string) => {
  const response = await fetch(ready.api + path, { headers: { authorization: `Bearer ${client.token}` } });
  await response.text();
  return response.status;
};

async function uploaded(bytes = 'abc'): Promise<string> {
  const { body } = await client.ask('/rest/v1.1/projects/{project}/uploads', {
    method: 'POST',
    body: { response_filename: 'up.bin' },
  });
  const form = new FormData();
  for (const [name, value] of Object.entries(body.fields)) form.append(name, value as string);
  form.append('file', new Blob([bytes]), 'x');
  await fetch(body.url, { method: 'POST', body: form });
  return body.uuid;
}

/** Whether the operation changes `updated_at` of an item that was made a second before. */
async function bumps(id: number, operation: () => Promise<unknown>): Promise<'yes' | 'no'> {
  const before = (await rowOf(id))!.updated_at;
  later += 10;
  await admin.faults({ 'clock-skew': { seconds: later } });
  await operation();
  return (await rowOf(id))!.updated_at === before ? 'no' : 'yes';
}

const created = async (name: string) => {
  const { status, body } = await request('POST', 'folders', { folder: { name } });
  return status === 201 ? (body.name as string) : status;
};

/** How each position shows: the same text as the switch's value, or what `expect` says. */
interface Look {
  readonly see: () => Promise<unknown>;
  readonly expect?: Readonly<Record<string, unknown>>;
}

const self = (see: () => Promise<unknown>): Look => ({ see: async () => String(await see()) });
const look = (expect: Readonly<Record<string, unknown>>, see: () => Promise<unknown>): Look => ({ see, expect });

const looks: Readonly<Record<keyof typeof switchTable, Look>> = {
  // The windows' kinds have a test of their own, in which time passes.
  'hour-window': self(async () => (await admin.switches())['hour-window']),
  'spike-window': self(async () => (await admin.switches())['spike-window']),
  compression: look({ gzip: ['gzip', true, null], none: [null, true, null] }, async () => {
    const page = `${ready.api}/rest/v1.0/projects/${ready.projects[0]!.id}/documents?per_page=100&view=extended`;
    const ask = (accepted: string) =>
      fetch(page, {
        headers: {
          authorization: `Bearer ${client.token}`,
          'procore-company-id': String(ready.company_id),
          'accept-encoding': accepted,
        },
      });
    const taken = await ask('br, gzip');
    const refused = await ask('gzip;q=0');
    const ids = (found: Row[]): string => JSON.stringify(found.map(({ id }) => id));
    const isRight = ids((await taken.json()) as Row[]) === ids((await refused.json()) as Row[]);
    return [taken.headers.get('content-encoding'), isRight, refused.headers.get('content-encoding')];
  }),
  'retry-after-on-429': look({ yes: true, no: false }, async () => {
    await admin.faults({ '429-hour': { count: 1 } });
    return (await client.folders()).headers.has('retry-after');
  }),
  'rate-headers-on-401': look({ yes: true, no: false }, async () => {
    await admin.faults({ 'token-expired': { count: 1 } });
    const { headers } = await client.folders();
    client.token = (await client.grant({ grant_type: 'client_credentials' })).body.access_token;
    return headers.has('x-rate-limit-limit');
  }),
  'token-type': self(async () => (await client.grant({ grant_type: 'client_credentials' })).body.token_type),
  'grant-error-status': self(
    async () => (await client.grant({ grant_type: 'refresh_token', refresh_token: 'x' })).status,
  ),
  pkce: look({ ignored: 200, checked: 200, refused: 400 }, async () => {
    const query = `response_type=code&client_id=${ready.client_id}&redirect_uri=http://localhost/&code_challenge=x`;
    return (await fetch(`${ready.login}/oauth/authorize?${query}`)).status;
  }),
  'company-header-status': self(() => withoutCompany('/rest/v1.0/projects')),
  'company-header-on-companies': look({ required: 400, optional: 200 }, () => withoutCompany('/rest/v1.0/companies')),
  'errors-form': look(
    {
      map: { errors: { base: ['Not Found'] } },
      array: { errors: ['Not Found'] },
      string: { errors: 'Not Found' },
      error: { error: 'Not Found' },
      message: { message: 'Not Found' },
    },
    async () => (await client.folders(1)).body,
  ),
  'app-connected': look({ yes: 200, no: 403 }, async () => (await client.folders()).status),
  'project-access': look(
    { write: [200, 201], read: [200, 403], 'not-permitted': [403, 403], 'tool-off': [403, 403] },
    async () => [
      (await client.folders()).status,
      (await request('POST', 'folders', { folder: { name: unique() } })).status,
    ],
  ),
  'other-projects': look({ absent: [2, 404, 404], present: [3, 403, 403] }, async () => [
    (await client.ask(`/rest/v1.0/projects?company_id=${ready.company_id}`)).body.length,
    (await client.ask(`/rest/v1.0/folders?project_id=${ready.others.not_permitted}`)).status,
    (await client.ask(`/rest/v1.0/folders?project_id=${ready.others.tool_off}`)).status,
  ]),
  'other-company': look({ absent: [1, 404], present: [2, 403] }, async () => [
    (await client.ask('/rest/v1.0/companies')).body.length,
    (await client.ask('/rest/v1.0/me', { headers: { 'procore-company-id': String(ready.others.company) } })).status,
  ]),
  // Names are given at the start.
  'project-names': self(async () => (await admin.switches())['project-names']),
  'private-items': look({ visible: true, hidden: false }, async () => (await rows('filters[private]=true')).length > 0),

  'bump-rename': self(async () => {
    const { id } = await makeFile();
    return bumps(id, () => admin.change({ op: 'rename', id, to: unique() }));
  }),
  'bump-move': self(async () => {
    const { id } = await makeFile();
    return bumps(id, () => admin.change({ op: 'move', id, to: '01 Drawings' }));
  }),
  'bump-delete': self(async () => {
    const { id } = await makeFile();
    return bumps(id, () => admin.change({ op: 'delete', id }));
  }),
  'bump-restore': self(async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'delete', id });
    return bumps(id, () => admin.change({ op: 'restore', id }));
  }),
  'bump-permission': self(async () => {
    const { id } = await makeFile();
    return bumps(id, () => admin.change({ op: 'permission', id, private: true }));
  }),
  'bump-checkout': self(async () => {
    const { id } = await makeFile();
    return bumps(id, () => admin.change({ op: 'checkout', id }));
  }),
  'bump-parent': self(async () => {
    const name = unique();
    const { id } = await makeFolder(name);
    return bumps(id, () => makeFolder('child', name));
  }),
  'bump-subtree': self(async () => {
    const name = unique();
    const folder = await makeFolder(name);
    const { id } = await makeFolder('child', name);
    return bumps(id, () => admin.change({ op: 'delete', id: folder.id }));
  }),

  'recycled-parent': self(async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'delete', id });
    const top = await root();
    const row = (await rowOf(id))!;
    return row.parent_id === top.id ? 'kept' : top.folders.find((f: Row) => f.id === row.parent_id) ? 'bin' : 'lost';
  }),
  'recycled-subtree': self(async () => {
    const name = unique();
    const folder = await makeFolder(name);
    const { id } = await makeFolder('child', name);
    await admin.change({ op: 'delete', id: folder.id });
    return (await rowOf(id))!.is_deleted ? 'deleted' : 'kept';
  }),
  'recycled-name': look({ free: true, blocked: false }, async () => {
    const name = unique();
    await admin.change({ op: 'delete', id: (await makeFolder(name)).id });
    return (await created(name)) === name;
  }),
  'recycled-get': self(async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'delete', id });
    return (await client.file(id)).status;
  }),
  'recycled-in-index': look({ included: true, excluded: false }, async () =>
    (await rows()).some((row) => row.is_deleted),
  ),
  'folder-write-flags': look({ ignored: 1, obeyed: 0 }, async () => {
    const { id } = await makeFolder();
    const { path } = (await admin.tree({ hash: false })).find((entry) => entry.id === id)!;
    await makeFile('inside', 'x').then((made) => admin.change({ op: 'move', id: made.id, to: path }));
    const { body } = await client.ask(`/rest/v1.0/folders/${id}?project_id={project}&exclude_files=true`, {
      method: 'PATCH',
      body: { folder: { name: unique() } },
    });
    return body.files.length;
  }),
  'recycled-in-folders': look({ included: true, excluded: false }, async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'delete', id });
    return (await root()).files.some((file: Row) => file.id === id);
  }),
  'recycled-write': look({ '404': [404, 404], accepted: [200, 200] }, async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'delete', id });
    return [
      (await request('PATCH', `files/${id}`, { file: { name: unique() } })).status,
      (await request('DELETE', `files/${id}`)).status,
    ];
  }),
  'recycled-filter': look({ all: true, tops: false }, async () => {
    const name = unique();
    const folder = await makeFolder(name);
    const { id } = await makeFolder('child', name);
    await admin.change({ op: 'delete', id: folder.id });
    return (await rows('filters[is_in_recycle_bin]=true')).some((row) => row.id === id);
  }),
  'delete-reply': look({ item: true, childless: false, nothing: undefined }, async () => {
    const name = unique();
    const { id } = await makeFolder(name);
    await makeFolder('child', name);
    return (await request('DELETE', `folders/${id}`)).body.has_children;
  }),
  restore: look({ 'by-parent-id': 200, refused: 404 }, async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'delete', id });
    return (await request('PATCH', `files/${id}`, { file: { parent_id: (await root()).id } })).status;
  }),
  'parent-missing': self(
    async () => (await request('POST', 'folders', { folder: { name: unique(), parent_id: 12 } })).status,
  ),
  'bin-in-index': look({ yes: true, no: false }, async () => (await rows()).some((row) => row.is_recycle_bin)),
  'root-in-index': look({ yes: true, no: false }, async () => (await rows()).some((row) => row.parent_id === null)),
  'index-other-part': look({ null: true, absent: false }, async () => {
    const file = (await rows('filters[document_type]=file'))[0]!;
    const folder = (await rows('filters[document_type]=folder'))[0]!;
    return 'children' in file && 'file' in folder;
  }),

  'open-range': look({ accepted: 200, '400': 400 }, async () => {
    return (await client.documents('filters[updated_at]=2025-01-01T00:00:00Z...')).status;
  }),
  'range-end': look({ inclusive: true, exclusive: false }, async () => {
    const row = (await rows('sort=updated_at'))[5]!;
    return (await rows(`filters[updated_at]=2000-01-01...${row.updated_at}`)).some(({ id }) => id === row.id);
  }),
  'unknown-sort': look({ ignored: 200, '400': 400 }, async () => (await client.documents('sort=colour')).status),
  'unknown-filter': look(
    { ignored: 200, '400': 400 },
    async () => (await client.documents('filters[colour]=red')).status,
  ),
  'default-sort': look({ id: 'id', name: 'name', '-updated_at': '-updated_at' }, async () => {
    const list = await rows();
    const ascends = (key: string) => list.every((row, i) => i === 0 || list[i - 1]![key]! <= row[key]!);
    return ascends('id') ? 'id' : ascends('name') ? 'name' : '-updated_at';
  }),
  'equal-keys': look({ 'by-id': true, unstable: false }, async () => {
    const ids = async () => (await rows('sort=document_type')).map(({ id }) => id).join();
    const first = await ids();
    return first === (await ids());
  }),
  'default-per-page': self(async () => (await client.documents()).body.length),
  'per-page-beyond': look({ capped: 200, '400': 400 }, async () => (await client.documents('per_page=20000')).status),
  'per-page-most': self(async () => (await client.documents('per_page=20000')).headers.get('per-page')),
  'total-header': look({ yes: true, no: false }, async () => (await client.documents()).headers.has('total')),
  'link-header': look({ yes: true, no: false }, async () => (await client.documents()).headers.has('link')),
  'version-order': self(async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'update', id, content: 'y' });
    return (await client.file(id)).body.file_versions[0].number === 1 ? 'oldest-first' : 'newest-first';
  }),
  'id-space': look({ shared: false, separate: true }, async () => {
    const list = await rows();
    return new Set(list.map(({ id }) => id)).size < list.length;
  }),
  'index-v1': look({ allowed: 200, denied: 403, gone: 410 }, async () => (await client.documents()).status),
  'index-v2': look({ present: [10, 'string', 'string', false], absent: 404 }, async () => {
    const { status, body } = await client.ask(`/rest/v2.0/companies/${ready.company_id}/projects/{project}/documents`);
    if (status !== 200) return status;
    const [row] = body.data;
    return [body.data.length, typeof row.id, typeof row.parent_id, 'name_with_path' in row];
  }),
  'index-v2-rows': self(async () => {
    const { headers } = await client.ask('/rest/v2.0/projects/{project}/documents?per_page=2000');
    return headers.get('per-page');
  }),
  'v2-folders': look({ absent: 404, present: [10, 'string', 'string'] }, async () => {
    const path = `/rest/v2.0/companies/${ready.company_id}/projects/{project}/folders`;
    const { status, body } = await client.ask(path);
    return status === 200 ? [body.data.length, typeof body.data[0].id, typeof body.data[0].parent_id] : status;
  }),

  'url-form': look({ signed: 0, redirect: 1, 'redirects-5': 5, 'redirects-6': 6 }, async () => {
    const { id } = await makeFile(unique(), 'reached');
    let url = (await client.file(id)).body.file_versions[0].url as string;
    for (let hops = 0; ; hops++) {
      const headers: Record<string, string> = url.startsWith(ready.api)
        ? { authorization: `Bearer ${client.token}` }
        : {};
      const response = await fetch(url, { headers, redirect: 'manual' });
      if (response.status === 200) return (await response.text()) === 'reached' ? hops : 'wrong';
      url = response.headers.get('location')!;
    }
  }),
  'storage-range': look({ supported: 206, ignored: 200 }, async () => {
    const { id } = await makeFile();
    const { url } = (await client.file(id)).body.file_versions[0];
    return (await fetch(url, { headers: { range: 'bytes=0-0' } })).status;
  }),
  'storage-etag': look({ present: true, absent: false }, async () => {
    const { id } = await makeFile();
    return (await fetch((await client.file(id)).body.file_versions[0].url)).headers.has('etag');
  }),

  'name-characters': look({ kept: 'a:b', replaced: 'a-b', refused: 400 }, async () => {
    const name = await created(`a:b ${++serial}`);
    return typeof name === 'string' ? name.slice(0, 3) : name;
  }),
  'name-edges': look({ kept: ' e. ', trimmed: 'e', refused: 400 }, async () => {
    const name = await created(` e${++serial}. `);
    return typeof name === 'string' ? name.replace(/\d/g, '') : name;
  }),
  'name-unicode': look({ kept: 'NFD', nfc: 'NFC' }, async () => {
    const name = (await created(`é${++serial}`.normalize('NFD'))) as string;
    return name === name.normalize('NFC') ? 'NFC' : 'NFD';
  }),
  'name-case': look({ sensitive: true, insensitive: false }, async () => {
    const name = unique();
    await created(name);
    return (await created(name.toUpperCase())) !== 400;
  }),
  'name-twins': look({ distinct: true, clash: false }, async () => {
    const name = `ü ${unique()}`;
    await created(name.normalize('NFC'));
    return (await created(name.normalize('NFD'))) !== 400;
  }),
  'name-length': look({ '255': [400, 400], '150': [400, 400], unlimited: [300, 300] }, async () => {
    const lengths: unknown[] = [];
    for (const letter of ['x', '𠮷']) {
      const name = await created(letter.repeat(300 - String(++serial).length) + serial);
      lengths.push(typeof name === 'string' ? [...name].length : name);
    }
    return lengths;
  }),
  'file-folder-clash': look({ allowed: true, refused: false }, async () => {
    const name = unique();
    await makeFile(name);
    return (await created(name)) === name;
  }),
  executables: look({ accepted: 201, refused: 422 }, async () => {
    const file = { name: `${unique()}.ps1`, upload_uuid: await uploaded() };
    return (await request('POST', 'files', { file })).status;
  }),

  'empty-file': look({ accepted: 201, refused: 422 }, async () => {
    const file = { name: unique(), upload_uuid: await uploaded('') };
    return (await request('POST', 'files', { file })).status;
  }),
  'upload-unknown': self(
    async () => (await request('POST', 'files', { file: { name: unique(), upload_uuid: 'x' } })).status,
  ),
  'upload-reuse': look({ refused: 400, accepted: 201 }, async () => {
    const upload_uuid = await uploaded();
    await request('POST', 'files', { file: { name: unique(), upload_uuid } });
    return (await request('POST', 'files', { file: { name: unique(), upload_uuid } })).status;
  }),
  'upload-status': self(async () => {
    const { body } = await client.ask('/rest/v1.1/projects/{project}/uploads', {
      method: 'POST',
      body: { response_filename: 'x' },
    });
    const form = new FormData();
    for (const [name, value] of Object.entries(body.fields)) form.append(name, value as string);
    form.append('file', new Blob(['x']), 'x');
    return (await fetch(body.url, { method: 'POST', body: form })).status;
  }),
  'version-name': look({ ignored: false, renames: true }, async () => {
    const [id, name] = [(await makeFile()).id, unique()];
    const body = { file_version: { name, upload_uuid: await uploaded() } };
    await client.ask(`/rest/v1.0/file_versions?project_id={project}&file_id=${id}`, { method: 'POST', body });
    return (await client.file(id)).body.name === name;
  }),
  'account-is-admin': look({ no: 409, yes: 200 }, async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'checkout', id });
    return (await request('PATCH', `files/${id}`, { file: { upload_uuid: await uploaded() } })).status;
  }),
  'checkout-conflict': self(async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'checkout', id });
    return (await request('PATCH', `files/${id}`, { file: { upload_uuid: await uploaded() } })).status;
  }),
  'checkout-expiry': look({ ends: false, stays: true }, async () => {
    const { id } = await makeFile();
    await admin.change({ op: 'checkout', id, seconds: -5 });
    return (await client.file(id)).body.checked_out_by !== null;
  }),
};

for (const [name, { values }] of Object.entries(switchTable)) {
  t.test(`the switch ${name} shows in each position`, async (t) => {
    const { see, expect } = looks[name as keyof typeof switchTable];
    for (const value of [...values.slice(1), values[0]]) {
      await admin.switches({ [name]: value });
      t.strictSame(await see(), expect ? expect[value] : value, value);
    }
  });
}

t.test('what is given at the start: names of projects, odd names that the rules allow', async (t) => {
  const other = await simulator(t, {
    projects: 2,
    items: 200,
    switch: ['project-names=same', 'name-case=insensitive', 'name-twins=clash', 'file-folder-clash=refused'],
  });
  t.equal(new Set(other.ready.projects.map(({ name }) => name)).size, 1);
  const names = (await other.admin.tree({ hash: false }))
    .filter(({ path }) => path.startsWith('Field Office/'))
    .map(({ path }) => path.toLowerCase().normalize('NFC'));
  t.ok(names.length > 50);
  t.equal(new Set(names).size, names.length);
});
