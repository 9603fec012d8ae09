import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test as T } from 'tap';
import { addUsersOf, PASSWORD } from '../support/access.js';
import { Installation } from '../support/mounted.js';
import { soon } from '../support/processes.js';
import { type Answer, RunningService } from '../support/service.js';
import { simulator } from '../support/simulator.js';
import { ServerFolder, serveWebdav } from '../support/target-servers.js';

const SECRET = 'canary-7d1f09';

type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>;

interface World {
  readonly installation: Installation;
  readonly boss: Ask;
  readonly reader: Ask;
  readonly service: RunningService;
  readonly ready: Awaited<ReturnType<typeof simulator>>['ready'];
  readonly admin: Awaited<ReturnType<typeof simulator>>['admin'];
  /** A folder that users may have connections below, and one beside it. */
  readonly root: string;
  readonly outside: string;
}

/** A host that answers anything, and keeps what it was sent. */
async function listener(t: T): Promise<{ readonly url: string; readonly seen: string[] }> {
  const seen: string[] = [];
  const server = createServer((request: IncomingMessage, reply) => {
    let body = '';
    request.setEncoding('utf8').on('data', (more: string) => (body += more));
    request.once('end', () => {
      seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body}`);
      reply.writeHead(207, { 'content-type': 'text/xml' }).end('<multistatus xmlns="DAV:"></multistatus>');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function world(t: T, more: (root: string) => object = () => ({}), mount: readonly string[] = []): Promise<World> {
  const { ready, admin } = await simulator(t, { items: 6, projects: 1, spike: 1000 });
  const installation = new Installation(t);
  const [root, outside] = [join(installation.folder, 'root'), join(installation.folder, 'outside')];
  for (const folder of [installation.state, root, outside]) mkdirSync(folder, { mode: 0o700, recursive: true });
  const secret = join(installation.folder, 'default-secret');
  writeFileSync(secret, ready.client_secret, { mode: 0o600 });
  const { client_id, login: domain, api } = ready;
  const configuration = {
    default_client: { client_id, client_secret_file: secret, domain, api },
    fs_roots: [root],
    ...more(root),
  };
  writeFileSync(join(installation.state, 'config.json'), JSON.stringify(configuration), { mode: 0o600 });
  await addUsersOf(installation.state, { boss: 'manage', eve: 'read' });
  if (mount.length > 0) {
    await installation.connect({ ready } as never);
    await installation.must(['mount', `Procore:${ready.projects[0]!.id}`, installation.mountpoint(), ...mount]);
  }
  const service = await RunningService.start(t, installation, ['--listen', '127.0.0.1:0']);
  const as = async (name: string): Promise<Ask> => {
    const { access_token } = (await service.signIn(name, PASSWORD)).json;
    return (method, path, body) =>
      service.ask(path, {
        method,
        headers: { authorization: `Bearer ${access_token}` },
        ...(body === undefined ? {} : { body }),
      });
  };
  return { installation, service, ready, admin, root, outside, boss: await as('boss'), reader: await as('eve') };
}

const target = (id: string, auth: object, name?: string) => ({ platform: { id }, auth, ...(name ? { name } : {}) });

const refused = (t: T, answer: Answer, what: RegExp): void => {
  t.equal(answer.status, 403, answer.text.slice(0, 300));
  t.match(answer.json.errors?.[0], { code: 'not-permitted-here', description: what });
};

t.test('no user has a program run that the machine does not name', async (t) => {
  const { boss, installation, root } = await world(t, (folder) => ({
    programs: { pager: `cat > ${join(folder, 'paged')}` },
  }));
  const touched = join(installation.folder, 'owned');
  const place = (await boss('POST', '/v1/connections', target('fs', { uri: root }, 'Disk'))).json.connection.id;
  const job = (notify: object, name: string) => ({
    name,
    notify,
    schedule: { mode: 'manual' },
    transfer: {
      transfer_type: 'copy',
      source: { connection: { id: place }, target: { path: '/none' } },
      destination: { connection: { id: place }, target: { path: '/to' } },
    },
  });
  const command = `touch ${touched}`;
  refused(t, await boss('POST', '/v1/jobs', job({ command }, 'shell')), /notify.command is defined on the machine/);
  refused(t, await boss('POST', '/v1/jobs', job({ program: 'touch' }, 'other')), /"programs" has no "touch"/);
  const made = await boss('POST', '/v1/jobs', job({ program: 'pager' }, 'paged'));
  t.equal(made.status, 201, made.text);
  const id = made.json.job.id as string;
  refused(t, await boss('PATCH', `/v1/jobs/${id}`, { notify: { command } }), /notify.command/);
  refused(t, await boss('PUT', `/v1/jobs/${id}`, job({ command }, 'paged')), /notify.command/);
  refused(t, await boss('POST', `/v1/jobs/${id}/clone`, { notify: { command } }), /notify.command/);
  t.equal((await boss('PATCH', `/v1/jobs/${id}?start=1`)).status, 200);
  await soon(() => existsSync(join(root, 'paged')));
  t.ok(existsSync(join(root, 'paged')), 'what the configuration names is run');
  t.notOk(existsSync(touched));
  for (const [platform, auth] of [
    ['webdav', { uri: 'https://dav.invalid', bearer_token_command: command }],
    ['webdav', { uri: 'https://dav.invalid', headers: 'Cookie,x' }],
    ['sftp', { uri: 'host.invalid:x', password: 'x', ssh: command }],
    ['sftp', { uri: 'host.invalid:x', password: 'x', known_hosts_file: 'none' }],
    ['sftp', { uri: 'host.invalid:x', key_file: '/etc/shadow' }],
    ['rsync', { uri: 'host.invalid:/x', key_file: '/etc/shadow' }],
    ['s3', { uri: 'bucket', username: 'x', password: 'x', shared_credentials_file: '/etc/shadow', env_auth: 'true' }],
    ['drive', { service_account_file: '/etc/shadow' }],
    [
      'drive',
      { service_account_credentials: '{"type":"external_account","credential_source":{"file":"/etc/shadow"}}' },
    ],
    ['crypt', { uri: 'x', remote: '/etc', password: 'x' }],
    ['union', { uri: 'x', upstreams: '/etc' }],
    ['http', { uri: '', url: 'http://169.254.169.254' }],
  ] as const)
    refused(t, await boss('POST', '/v1/connections', target(platform, auth)), /machine|account/);
  refused(t, await boss('POST', '/v1/connections', target('rsync', { uri: 'host.invalid:/x' })), /keys of the service/);
  refused(t, await boss('POST', '/v1/connections', target('sftp', { uri: 'host.invalid:/x' })), /keys of the service/);
});

t.test('no user reaches a folder beside the roots, by no link and no change', async (t) => {
  const { boss, installation, root, outside } = await world(t);
  writeFileSync(join(outside, 'private.txt'), SECRET);
  symlinkSync(outside, join(root, 'link'));
  mkdirSync(join(root, 'plans'));
  const add = (id: string, uri: string) =>
    boss('POST', '/v1/connections', target(id, { uri }, `to ${uri}`.replace(/[:/]/g, '_')));
  for (const uri of ['/', '/etc', outside, `${root}/../outside`, join(root, 'link'), `${root}-not`, 'relative'])
    for (const id of ['fs', 'nfs']) refused(t, await add(id, uri), /lies in none of "fs_roots"/);
  refused(t, await boss('POST', '/v1/connections', target('fs', {})), /fs_roots/);
  const made = await add('fs', join(root, 'plans'));
  t.equal(made.status, 201, made.text);
  const own = `/v1/connections/${made.json.connection.id}`;
  for (const method of ['PATCH', 'PUT']) refused(t, await boss(method, own, { auth: { uri: outside } }), /fs_roots/);
  t.equal((await boss('GET', `${own}/items?path=/../../outside`)).status, 422);
  rmSync(join(root, 'plans'), { recursive: true });
  symlinkSync(outside, join(root, 'plans'));
  const swapped = await boss('GET', `${own}/items`);
  t.equal(swapped.status, 403, swapped.text);
  t.match(swapped.json.errors[0].code, 'target-outside');
  t.notMatch(swapped.text, /private\.txt/);
  await installation.must(['connections', 'add', 'By the machine', '--platform', 'fs', '--uri', outside]);
  t.equal(
    (await boss('GET', '/v1/connections/By%20the%20machine/items')).status,
    200,
    'what the machine defines is used',
  );
});

t.test('secrets go to no host that a user names', async (t) => {
  const other = await listener(t);
  const { boss, ready } = await world(t);
  const own = { client_id: 'mine', client_secret: SECRET };
  const post = (auth: object) => boss('POST', '/v1/connections', target('procore', auth));
  const begin = (words: object) => boss('POST', '/v1/connections/platforms/procore/new', words);
  refused(t, await post({ domain: other.url }), /own hosts alone/);
  refused(t, await post({ api: other.url }), /own hosts alone/);
  refused(t, await begin({ domain: other.url }), /own hosts alone/);
  refused(t, await begin({ api: other.url, credentials: 'default' }), /own hosts alone/);
  refused(t, await post({ ...own, domain: other.url }), /not in "allowed_hosts"/);
  refused(t, await begin({ ...own, domain: other.url }), /not in "allowed_hosts"/);
  refused(t, await post({ ...own, domain: 'https://evil.example' }), /not in "allowed_hosts"/);
  refused(t, await post({ ...own, api: 'http://nas.example' }), /unencrypted/);
  refused(t, await post({ ...own, domain: 'https://login.procore.com', api: 'https://evil.example' }), /evil.example/);
  for (const word of ['client_secret', 'client_id', 'domain', 'api']) {
    const inAddress = await boss('GET', `/v1/connections/platforms/procore/new?${word}=${SECRET}`);
    t.equal(inAddress.status, 400);
    t.notMatch(inAddress.text, SECRET);
  }
  t.strictSame(other.seen, []);
  const good = await boss('POST', '/v1/connections', target('procore', { company: ready.company_id }));
  t.equal(good.status, 201, good.text);
  t.match(good.json.connection.auth, { credentials: 'default', domain: ready.login });
});

t.test('a saved password goes to no other host, and in no other name', async (t) => {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const first = await serveWebdav(folder);
  t.teardown(() => first.kill());
  const second = await listener(t);
  const { boss } = await world(t, () => ({ allowed_hosts: ['127.0.0.1'] }));
  const account = { username: 'procorefs', password: 'secret word' };
  const uri = `http://127.0.0.1:${first.port}`;
  const made = await boss('POST', '/v1/connections', target('webdav', { uri, ...account }));
  t.equal(made.status, 201, made.text);
  const own = `/v1/connections/${made.json.connection.id}`;
  const basic = (word: string): string => Buffer.from(`${account.username}:${word}`).toString('base64');
  for (const auth of [
    { uri: second.url },
    { uri: second.url.replace('//', '//procorefs@') },
    { uri: uri.replace('http:', 'https:') },
    { username: 'bob' },
  ]) {
    const answer = await boss('PATCH', own, { auth });
    t.equal(answer.status, 400, answer.text);
    t.match(answer.json.errors[0].description, /password again/);
  }
  t.strictSame(second.seen, []);
  t.equal((await boss('PATCH', own, { auth: { uri: `${uri}/` } })).status, 200, 'the same host');
  await boss('PATCH', own, { auth: { uri: second.url, password: 'another' } });
  t.ok(second.seen.some((one) => one.includes(basic('another'))));
  t.notOk(second.seen.some((one) => one.includes(basic(account.password))));
  t.equal((await boss('GET', `${own}/items`)).status, 200, 'what was there before works on');
});

t.test('who reads sees no secret and no disk, and what is shown to others is no secret either', async (t) => {
  const { boss, reader, installation, root } = await world(t, (folder) => ({
    fs_roots: [folder, { path: join(folder, 'open'), readers: true }],
  }));
  for (const name of ['open', 'closed']) mkdirSync(join(root, name));
  writeFileSync(join(root, 'closed', 'salaries.txt'), 'x');
  writeFileSync(join(root, 'open', 'plan.txt'), 'x');
  await installation.must(['connections', 'add', 'Disk', '--platform', 'fs', '--uri', root]);
  const side = (path: string) => ({ connection: { id: 'Disk' }, target: { path } });
  const body = {
    name: 'Told',
    schedule: { mode: 'manual' },
    notify: {
      command: `curl -H 'X-Token: ${SECRET}' https://x`,
      url: `https://hooks.example/${SECRET}`,
      mail: 'ops@example.com',
    },
    transfer: { transfer_type: 'copy', source: side('/open'), destination: side('/closed') },
  };
  const file = join(installation.folder, 'job.json');
  writeFileSync(file, JSON.stringify(body));
  await installation.must(['jobs', 'add', '--file', file]);
  for (const ask of [boss, reader])
    for (const path of ['/v1/jobs', '/v1/jobs/Told', '/v1/jobs.csv', '/v1/connections', '/v1/events?topics=jobs'])
      if (!path.includes('events')) t.notMatch((await ask('GET', path)).text, SECRET, path);
  t.notOk('notify' in (await reader('GET', '/v1/jobs/Told')).json.job);
  const { job } = (await boss('GET', '/v1/jobs/Told')).json;
  t.strictSame(job.notify, { command: '[hidden]', url: 'https://hooks.example/[hidden]', mail: 'ops@example.com' });
  t.equal((await boss('PUT', '/v1/jobs/Told', { ...job, description: 'sent back' })).status, 200);
  const stored = JSON.parse(await installation.must(['jobs', 'show', 'Told', '--json']));
  t.match(stored.notify ?? stored.job?.notify, body.notify, 'what was hidden stays as it was');
  t.strictSame((await reader('GET', '/v1/connections/Disk')).json.connection.auth, {});
  t.equal((await reader('GET', '/v1/connections/Disk/items?path=/closed')).status, 403);
  t.equal((await reader('GET', '/v1/connections/Disk/items')).status, 403);
  t.equal((await reader('GET', '/v1/connections/Disk/items/closed')).status, 403);
  t.equal((await reader('GET', '/v1/connections/Disk/stats?path=/closed')).status, 403);
  t.match((await reader('GET', '/v1/connections/Disk/items?path=/open')).json.items, [{ name: 'plan.txt' }]);
  t.equal((await boss('GET', '/v1/connections/Disk/items?path=/closed')).status, 200);
});

t.test('HTTP shows what is private as the mounts do', async (t) => {
  for (const privacy of ['hide', 'owner', 'show']) {
    const { boss, reader, ready, admin, installation } = await world(t, undefined, ['-o', `private=${privacy}`]);
    await admin.change({ op: 'create', type: 'folder', path: 'Secret', private: true } as never);
    await admin.change({ op: 'create', path: 'Secret/inside.txt', content: 'x' });
    const mnt = join(installation.folder, 'mnt');
    await soon(async () => {
      await installation.must(['refresh', mnt]);
      return (await boss('GET', `/v1/mounts/items?mountpoint=${mnt}`)).status === 200;
    });
    const project = ready.projects[0]!.id;
    const { id } = (await admin.tree()).find(({ path }) => path === 'Secret')!;
    const sees = { manage: privacy !== 'hide', read: privacy === 'show' };
    if (sees.manage) {
      const lock = join(mnt, 'Secret', '.~lock.salaries.odt#');
      writeFileSync(lock, 'x');
      const uploads = (ask: Ask) => ask('GET', `/v1/mounts/uploads?mountpoint=${mnt}`);
      await soon(async () => /salaries/.test((await uploads(boss)).text));
      t.match((await uploads(boss)).text, /salaries/);
      t.equal(/salaries/.test((await uploads(reader)).text), sees.read, `${privacy}: what waits to go up`);
      rmSync(lock);
    }
    for (const [ask, isSeen] of [
      [boss, sees.manage],
      [reader, sees.read],
    ] as const)
      for (const [list, inside] of [
        [`/v1/connections/Procore/items?path=/${project}`, `/v1/connections/Procore/items?path=/${project}/Secret`],
        [`/v1/connections/Procore/items/${project}:`, `/v1/connections/Procore/items/${project}:${id}`],
        [`/v1/mounts/items?mountpoint=${mnt}`, `/v1/mounts/items?mountpoint=${mnt}&path=Secret`],
      ] as const) {
        const names = (await ask('GET', list)).json.items.map(({ name }: { name: string }) => name);
        t.equal(names.includes('Secret'), isSeen, `${privacy}: ${list}`);
        t.equal((await ask('GET', inside)).status, isSeen ? 200 : 404, `${privacy}: ${inside}`);
      }
    await admin.reset();
    for (let n = 0; n < 5; n++) await reader('GET', `/v1/connections/Procore/items?path=/${project}`);
    const { byRoute = {} } = (await admin.calls()) as unknown as { byRoute?: Record<string, number> };
    t.notOk(
      Object.keys(byRoute).some((route) => route.includes('/folders')),
      'a mirrored project costs no call',
    );
  }
});

t.test('who is told by a POST is no place of this network, unless the machine names it', async (t) => {
  const inside = await listener(t);
  const listed = await listener(t);
  const { boss, root, installation } = await world(t, () => ({ allowed_hosts: [new URL(listed.url).host] }));
  await boss('POST', '/v1/connections', target('fs', { uri: root }, 'Disk'));
  const job = (name: string, url: string) => ({
    name,
    notify: { url },
    schedule: { mode: 'manual' },
    transfer: {
      transfer_type: 'copy',
      source: { connection: { id: 'Disk' }, target: { path: '/none' } },
      destination: { connection: { id: 'Disk' }, target: { path: '/to' } },
    },
  });
  for (const url of [
    inside.url,
    'http://169.254.169.254/x',
    'http://[::1]:1/',
    'http://0x7f.1/',
    'http://[::ffff:10.0.0.1]/',
  ])
    refused(t, await boss('POST', '/v1/jobs', job('inside', url)), /notify.url: /);
  const byName = inside.url.replace('127.0.0.1', 'inside.localhost');
  refused(t, await boss('POST', '/v1/jobs', job('named', byName)), /notify.url: /);
  writeFileSync(join(installation.folder, 'job.json'), JSON.stringify(job('machine', inside.url)));
  await installation.must(['jobs', 'add', '--file', join(installation.folder, 'job.json')]);
  t.equal((await boss('POST', '/v1/jobs', job('listed', listed.url))).status, 201);
  for (const name of ['machine', 'listed']) await boss('PATCH', `/v1/jobs/${name}?start=1`);
  await soon(() => listed.seen.length > 0 && /somebody could not be told/.test(installation.log()));
  t.match(listed.seen[0], /"event":"failed"/);
  t.strictSame(inside.seen, [], 'also where the machine defined the job');
});
