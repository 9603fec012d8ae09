import dns from 'node:dns/promises';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t, { type Test as T } from 'tap';
import { Secret } from '#src/base/secret.js';
import { Connections } from '#src/connections/store.js';
import { Guarded } from '../support/access.js';

const HOST = 'nas.corp.example';

async function world(t: T, configuration: object = {}) {
  const guarded = await Guarded.start(t, { boss: 'manage' }, configuration);
  const token = guarded.tokens('boss').access;
  const ask = (method: string, path: string, body?: object) => guarded.ask(path, { method, token, body });
  const add = (id: string, auth: object) => ask('POST', '/v1/connections', { platform: { id }, auth });
  return { ...guarded, installation: guarded.installation, ask, add };
}

t.test('a value of one option becomes no other option of rclone', async (t) => {
  const { ask, add, installation } = await world(t);
  const connections = new Connections(installation.state);
  const { id } = connections.addTarget({ name: 'Drive', platform: 'drive', uri: '' }, undefined, {});
  const file = connections.secrets.preparedRclonePath(id);
  writeFileSync(file, '[target]\ntype = drive\ntoken = {"access_token":"x"}\n', { mode: 0o600 });
  for (const line of ['x\ntype = local', 'x\r\ntype = local', 'x\rtype = local']) {
    const answer = await ask('PATCH', '/v1/connections/Drive', { auth: { root_folder_id: line } });
    t.equal(answer.status, 400, answer.text);
    t.match(answer.json.errors[0].description, /root_folder_id has a line break/);
  }
  t.notMatch(readFileSync(file, 'utf8'), /local/);
  const asUser = await add('webdav', { uri: 'https://dav.invalid', username: 'x\nbearer_token_command = id' });
  t.match(asUser.json.errors[0].description, /user has a line break/);
});

t.test('keys of the service open no host that only looks like one that is allowed', async (t) => {
  const { add, installation } = await world(t, { allowed_hosts: [HOST] });
  const programs = join(installation.folder, 'bin');
  const asked = join(installation.folder, 'asked');
  mkdirSync(programs);
  writeFileSync(join(programs, 'ssh'), `#!/bin/sh\necho "$@" >>'${asked}'\nexit 255\n`);
  chmodSync(join(programs, 'ssh'), 0o755);
  const { PATH } = process.env;
  process.env.PATH = `${programs}:${PATH}`;
  t.teardown(() => (process.env.PATH = PATH));
  for (const auth of [
    { uri: `evil.example:\\\\${HOST}/x` },
    { uri: `${HOST}?@evil.example:/x` },
    { uri: `${HOST}#@evil.example:/x` },
    { uri: `${HOST}\\@evil.example:/x` },
    { uri: `${HOST}:/x`, username: 'evil.example:/y' },
    { uri: `${HOST}:/x`, username: '/etc' },
  ])
    t.match((await add('rsync', auth)).status, /^40[03]$/, JSON.stringify(auth));
  t.notOk(existsSync(asked), 'ssh was not even started');
  t.equal((await add('rsync', { uri: `bob@${HOST}:/x` })).status, 503);
  t.match(readFileSync(asked, 'utf8'), /-l bob nas\.corp\.example /, 'the host that is allowed is asked');
});

t.test('no spelling of an address leads a target to this machine', async (t) => {
  const { add } = await world(t);
  const account = { username: 'a', password: 'b' };
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const [platform, auth] of [
    ['ftp', { uri: 'localhost:\\\\x.invalid/' }],
    ['ftp', { uri: 'x.invalid?@127.0.0.1:21/x' }],
    ['sftp', { uri: 'x.invalid#@127.0.0.1:/x' }],
    ['ftp', { uri: 'localhost.:x' }],
    ['webdav', { uri: 'http://localhost.:8080/' }],
    ['s3', { uri: 'bucket', endpoint: 'x.invalid?@127.0.0.1:9000' }],
    ['s3', { uri: 'bucket', endpoint: 'https:/127.0.0.1:9000' }],
    ['s3', { uri: 'bucket', provider: 'AWS', region: '127.0.0.1:9000/#' }],
    ['azureblob', { uri: 'container', username: '127.0.0.1:9000/x?' }],
    ...own.map(
      ({ address, family }) =>
        ['webdav', { uri: `http://${family === 'IPv6' ? `[${address}]` : address}:9000/` }] as const,
    ),
  ] as const) {
    const answer = await add(platform, { ...account, ...auth });
    t.equal(answer.status, 403, `${platform} ${JSON.stringify(auth)}: ${answer.text}`);
  }
});

t.test('what a service account signs goes to Google alone, however the key is spelled', async (t) => {
  const { add } = await world(t);
  const key = { type: 'service_account', token_uri: 'https://oauth2.googleapis.com/token' };
  for (const name of ['Token_Uri', 'TOKEN_URI', 'to\u212aen_uri', 'Type']) {
    const account = JSON.stringify({ ...key, [name]: 'http://127.0.0.1:1' });
    const answer = await add('drive', { service_account_credentials: account });
    t.equal(answer.status, 403, answer.text);
  }
});

t.test('what begins a sign-in to Procore stands in the audit log', async (t) => {
  const { ask, installation } = await world(t);
  new Connections(installation.state).addTarget({ name: 'Disk', platform: 'fs', uri: '/none' }, undefined, {});
  for (const path of ['platforms/procore/new?name=Mine', 'Disk/edit']) await ask('GET', `/v1/connections/${path}`);
  const { audit } = (await ask('GET', '/v1/audit')).json;
  t.match(audit, [
    { who: 'boss', what: 'GET /v1/connections/Disk/edit', result: '200' },
    { who: 'boss', what: 'GET /v1/connections/platforms/procore/new (name)', result: '200' },
  ]);
});

t.test('a connection with a key of its own gets another folder', async (t) => {
  const { ask, installation } = await world(t);
  const key = { key_pem: new Secret('none') };
  new Connections(installation.state).addTarget({ name: 'Own', platform: 'sftp', uri: 'x.invalid:a' }, undefined, key);
  const answer = await ask('PATCH', '/v1/connections/Own', { auth: { uri: 'x.invalid:b' } });
  t.notMatch(answer.text, /keys of the service/);
  t.not(answer.status, 403, answer.text);
});

t.test('no page of a login host holds up the service', async (t) => {
  const { ask } = await world(t, { allowed_hosts: ['127.0.0.1'] });
  let page = '';
  const host = createServer((_, reply) => reply.writeHead(400, { 'content-type': 'text/html' }).end(page));
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  t.teardown(() => host.close());
  const domain = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
  const begin = () =>
    ask('POST', '/v1/connections/platforms/procore/new', { domain, client_id: 'x', client_secret: 'x' });
  page = '<title>Error</title><p>Unknown client<script>redirect uri';
  t.match((await begin()).json.errors[0].description, /HTTP 400 \(text\/html\), unknown client id;/);
  const start = process.cpuUsage();
  page = '<'.repeat(65_536);
  for (let n = 0; n < 3; n++) await begin();
  page = '<title '.repeat(9000);
  for (let n = 0; n < 3; n++) await begin();
  const { user } = process.cpuUsage(start);
  t.ok(user < 4e6, `${user / 1e6} s of a processor for six pages`);
});

t.test('of two changes at once none sends a saved password to the host of the other', async (t) => {
  const seen: string[] = [];
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  let arrived = (): void => undefined;
  const arrival = new Promise<void>((resolve) => (arrived = resolve));
  // Stands for every host.
  const proxy = createServer(async (request, reply) => {
    const [, password] = Buffer.from(request.headers.authorization?.split(' ')[1] ?? '', 'base64')
      .toString()
      .split(':');
    seen.push(`${request.headers.host} ${password}`);
    if (password === 'mine') {
      arrived();
      await held;
    }
    reply.writeHead(403).end();
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.teardown(() => proxy.close());
  const { http_proxy: before } = process.env;
  process.env.http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const { lookup } = dns;
  let first: Promise<unknown> | undefined;
  dns.lookup = (async () => {
    await first;
    return [{ address: '203.0.113.1', family: 4 }];
  }) as never;
  syncBuiltinESMExports();
  t.teardown(() => {
    dns.lookup = lookup;
    syncBuiltinESMExports();
    if (before === undefined) delete process.env.http_proxy;
    else process.env.http_proxy = before;
  });
  const { ask, installation } = await world(t);
  const connections = new Connections(installation.state);
  const fields = { name: 'Dav', platform: 'webdav', uri: 'http://good.test/', username: 'a' };
  const { id } = connections.addTarget(fields, new Secret('original'), {});
  const change = (auth: object) => ask('PATCH', `/v1/connections/${id}`, { auth });
  const one = change({ uri: 'http://evil.test/', password: 'mine' });
  await arrival;
  first = one;
  const other = change({ uri: 'http://evil.test/other' });
  setTimeout(letGo, 500);
  t.not((await one).status, 200);
  t.match((await other).text, /needs auth.password again/);
  t.notOk(seen.includes('evil.test original'), String(seen));
  t.match(connections.find(id), { uri: 'http://good.test/' });
});

t.test('a connection that is removed while a change of it is tested stays removed', async (t) => {
  const { ask, installation } = await world(t, { allowed_hosts: ['127.0.0.1'] });
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  let arrived = (): void => undefined;
  const arrival = new Promise<void>((resolve) => (arrived = resolve));
  const host = createServer(async (_, reply) => {
    arrived();
    await held;
    reply.writeHead(403).end();
  });
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  t.teardown(() => host.close());
  const uri = `http://127.0.0.1:${(host.address() as AddressInfo).port}/`;
  const connections = new Connections(installation.state);
  const { id } = connections.addTarget({ name: 'Dav', platform: 'webdav', uri }, new Secret('original'), {});
  const changed = ask('PATCH', `/v1/connections/${id}`, { auth: { uri: `${uri}other` } });
  await arrival;
  t.equal((await ask('DELETE', `/v1/connections/${id}`)).status, 200);
  letGo();
  t.not((await changed).status, 200);
  t.strictSame(connections.all(), []);
  t.equal(connections.secrets.ownSecret(id), undefined, 'and so does its password');
});

t.test('what fails its test is not kept, a first password for example', async (t) => {
  const { ask, installation } = await world(t, { allowed_hosts: ['127.0.0.1'] });
  const host = createServer((_, reply) => void reply.writeHead(403).end());
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  t.teardown(() => host.close());
  const uri = `http://127.0.0.1:${(host.address() as AddressInfo).port}/`;
  const connections = new Connections(installation.state);
  const { id } = connections.addTarget({ name: 'Dav', platform: 'webdav', uri }, undefined, {});
  t.not((await ask('PATCH', `/v1/connections/${id}`, { auth: { password: 'wrong' } })).status, 200);
  t.equal(connections.secrets.ownSecret(id), undefined);
  const file = connections.secrets.preparedRclonePath(id);
  const before = `[target]\ntype = webdav\nurl = ${uri}\n`;
  writeFileSync(file, before, { mode: 0o600 });
  t.not((await ask('PATCH', `/v1/connections/${id}`, { auth: { vendor: 'nextcloud' } })).status, 200);
  t.equal(readFileSync(file, 'utf8'), before, 'nor is anything else that did not work');
});

t.test('a job that is deep beyond reason is refused in words', async (t) => {
  const { ask, installation } = await world(t);
  new Connections(installation.state).addTarget({ name: 'Disk', platform: 'fs', uri: '/none' }, undefined, {});
  const side = (path: string) => ({ connection: { id: 'Disk' }, target: { path } });
  const transfer = { transfer_type: 'copy', source: side('/a'), destination: side('/b') };
  const { job } = (await ask('POST', '/v1/jobs', { name: 'Deep', schedule: { mode: 'manual' }, transfer })).json;
  let deep = {};
  for (let n = 0; n < 3000; n++) deep = { a: deep };
  const answer = await ask('PATCH', `/v1/jobs/${job.id}`, { transfer: deep });
  t.equal(answer.status, 400, answer.text.slice(0, 300));
  t.match(answer.json.errors[0].description, /no object that deep/);
});
