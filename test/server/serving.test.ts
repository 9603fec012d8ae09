import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { openServerDatabase } from '#src/server/access/database.js';
import { Installation, isMounted } from '../support/mounted.js';
import { type Answer, type Request, RunningService } from '../support/service.js';
import { simulator } from '../support/simulator.js';

const PASSWORD = 'correct horse battery';

t.test('a service with a mount of its configuration, and clients of every kind', async (t) => {
  const whole = t;
  const server = await simulator(t, { items: 60, projects: 1, spike: 1000 });
  const installation = new Installation(t);
  await installation.connect(server, ['--project', String(server.ready.projects[0]!.id)]);
  const mnt = installation.mountpoint();
  const configuration = join(installation.state, 'config.json');
  const configure = (mounts: unknown): void =>
    writeFileSync(configuration, JSON.stringify({ mounts, fs_roots: [installation.folder] }));

  await t.test('mounts that cannot be are refused before anything starts', async (t) => {
    for (const [row, why] of [
      [{ source: 'Procore:', mountpoint: 'mnt' }, /0\.mountpoint: no absolute path/],
      [{ source: 'Procore', mountpoint: mnt }, /"Procore" is not CONNECTION:PROJECT/],
      [{ source: 'Procore:', mountpoint: mnt, options: 'strange' }, /unknown mount option "strange"/],
      [{ source: 'Procore:', mountpoint: mnt, drive: 'x' }, /Unrecognized key/],
    ] as const) {
      configure([row]);
      const { code, stderr } = await installation.procorefs(['serve']);
      t.equal(code, 2);
      t.match(stderr, /"mounts" in .*config\.json cannot be used/);
      t.match(stderr, why);
    }
  });

  const missing = join(installation.folder, 'missing');
  configure([
    { source: 'Procore:', mountpoint: mnt, options: 'settle=0.2' },
    { source: 'Procore:', mountpoint: missing },
  ]);
  for (const [name, role] of [
    ['boss', 'manage'],
    ['eye', 'read'],
  ] as const)
    await installation.must(['users', 'add', name, '--role', role], { input: `${PASSWORD}\n` });
  const words = ['--listen', '127.0.0.1:0'];
  let service = await RunningService.start(t, installation, words);
  const port = Number(new URL(service.http).port);
  const tokens = (await service.signIn('boss', PASSWORD)).json as { access_token: string; refresh_token: string };
  const bearer = { authorization: `Bearer ${tokens.access_token}` };
  const ask = (path: string, request: Request = {}): Promise<Answer> =>
    service.ask(path, { ...request, headers: { ...bearer, ...request.headers } });
  const send = (method: string, path: string, body?: unknown): Promise<Answer> =>
    ask(path, { method, headers: { 'content-type': 'application/json' }, ...(body === undefined ? {} : { body }) });
  const mountOf = async (mountpoint: string) =>
    (await ask('/v1/mounts')).json.mounts.find((one: { mountpoint: string }) => one.mountpoint === mountpoint);
  const names = readdirSync(mnt);

  /** Clients that hang: begun now, looked at in the end. */
  const hanging = (text: string): { socket: Socket; reply: Promise<string> } => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined);
    let all = '';
    const reply = new Promise<string>((resolve) => {
      socket.on('data', (chunk) => (all += chunk)).once('close', () => resolve(all));
    });
    return { socket, reply };
  };
  await t.test('the mount is there, and what failed says why', async (t) => {
    t.ok(names.length > 0);
    t.match(await mountOf(mnt), { state: /^(crawling|ready)$/, source: 'Procore:' });
    t.match(await mountOf(missing), { state: 'failed', reason: /does not exist.*mkdir/ });
    t.equal((await installation.status(mnt)).mountpoint, mnt);
    const health = await installation.procorefs(['health']);
    t.equal(health.code, 1);
    t.match(health.stdout, /^WARNING: \S+\/missing stands in the configuration, and is not mounted/);
    await installation.crawled(mnt);
    const below = readdirSync(mnt, { recursive: true, withFileTypes: true });
    const { items, containers } = (await ask('/v1/connections/Procore/stats')).json.item_stats;
    t.equal(items.count, below.filter((one) => one.isFile()).length, 'who owns the project counts');
    t.equal(containers.count, below.filter((one) => one.isDirectory()).length);
  });

  await t.test(
    'kill -9 of the service leaves its mount; the next one finds it, and makes it again if it dies',
    async (t) => {
      const { pid } = await installation.status(mnt);
      await service.end('SIGKILL');
      t.strictSame(readdirSync(mnt).sort(), [...names].sort(), 'people go on');
      service = await RunningService.start(whole, installation, ['--listen', `127.0.0.1:${port}`]);
      t.equal((await mountOf(mnt)).pid, pid, `it is the same mount${ended(installation)}`);
      t.equal((await ask('/v1/session')).json.name, 'boss', 'a token is good as before');
      process.kill(pid, 'SIGKILL');
      for (;;) {
        const found = await mountOf(mnt);
        if (found.pid !== undefined && found.pid !== pid && found.state === 'ready') break;
        await sleep(100);
      }
      t.strictSame(readdirSync(mnt).sort(), [...names].sort());
      mkdirSync(missing);
    },
  );

  const head = `Host: localhost\r\nAuthorization: ${bearer.authorization}\r\n`;
  const slow = [
    hanging('GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n'),
    hanging(`POST /v1/jobs HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`),
  ];
  for (let n = 0; n < 5; n++) hanging(`GET /v1/events HTTP/1.1\r\n${head}\r\n`).socket.pause();

  await t.test('who may not is told so, in one form', async (t) => {
    const refused = async (answer: Promise<Answer>, status: number, code: string, what: string): Promise<void> => {
      const { status: got, json, headers } = await answer;
      t.equal(got, status, what);
      t.match(json, { errors: [{ description: String, code, remedy: String }] }, what);
      t.match(headers['content-type'], /^application\/json/, what);
      t.equal(headers['x-content-type-options'], 'nosniff', what);
    };
    const as = (token: string, more: Request = {}): Request => ({ ...more, headers: { authorization: token } });
    await refused(service.ask('/v1/jobs'), 401, 'not-signed-in', 'no token');
    for (const token of ['x'.repeat(43), tokens.refresh_token, '', `${tokens.access_token}x`])
      await refused(service.ask('/v1/jobs', as(`Bearer ${token}`)), 401, 'not-signed-in', 'a wrong token');
    await refused(service.ask('/v1/jobs', as('Basic Ym9zczpjb3JyZWN0')), 401, 'not-signed-in', 'another scheme');
    const { access_token: old } = (await service.signIn('boss', PASSWORD)).json as { access_token: string };
    const database = openServerDatabase(installation.state);
    const hash = createHash('sha256').update(old).digest();
    t.equal(database.prepare('UPDATE tokens SET expires_on = 1 WHERE hash = ?').run(hash).changes, 1);
    database.close();
    await refused(service.ask('/v1/jobs', as(`Bearer ${old}`)), 401, 'not-signed-in', 'an expired token');
    const eye = `Bearer ${(await service.signIn('eye', PASSWORD)).json.access_token}`;
    t.equal((await service.ask('/v1/jobs', as(eye))).status, 200, 'who may look looks');
    await refused(service.ask('/v1/jobs/x', as(eye, { method: 'DELETE' })), 403, 'role-too-low', 'a write of a reader');
    await refused(service.ask('/v1/users', as(eye)), 403, 'role-too-low', 'the users');
    for (const foreign of [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }])
      await refused(
        ask('/v1/jobs', { method: 'POST', headers: { ...foreign, 'content-type': 'text/plain' }, raw: '{}' }),
        403,
        'foreign-origin',
        'a page elsewhere',
      );
    await refused(ask('/v1/none'), 404, 'no-such-address', 'nothing there');
    await refused(ask('/v1/jobs/none'), 404, 'no-such-job', 'no such job');
    const json = { 'content-type': 'application/json' };
    for (const raw of ['{"name":', '[', '{"__proto__":{"x":1}}', '\u0000', `${'['.repeat(50_000)}`])
      await refused(
        ask('/v1/jobs', { method: 'POST', headers: json, raw }),
        400,
        'request-refused-here',
        raw.slice(0, 20),
      );
    for (const raw of ['', ' ', '{}', 'null'])
      t.equal((await ask('/v1/jobs', { method: 'POST', headers: json, raw })).status, 400, 'a job of nothing');
    for (const method of ['GET', 'DELETE', 'PATCH'])
      await refused(
        ask('/v1/jobs/none?start=1'.slice(0, method === 'PATCH' ? 99 : 13), { method, headers: json, raw: '' }),
        404,
        'no-such-job',
        `${method} with an empty body`,
      );
    await refused(send('POST', '/v1/jobs', { name: 'x', nonsense: 1 }), 400, 'job-refused', 'an unknown key');
    await refused(send('PATCH', '/v1/jobs?strat=1'), 400, 'request-refused-here', 'an unknown word of a change');
    t.equal((await ask('/v1/jobs?strange=1')).status, 200, 'an unknown word of a read');
    const csv = { 'content-type': 'text/csv' };
    await refused(ask('/v1/jobs', { method: 'POST', headers: csv, raw: 'a,b' }), 415, 'request-refused-here', 'a type');
    const large = ask('/v1/jobs', { method: 'POST', headers: json, raw: Buffer.alloc(10 * 1024 * 1024, 32) });
    await large.then(
      ({ status }) => t.equal(status, 413, '10 MB'),
      (error: NodeJS.ErrnoException) => t.match(error.code, /ECONNRESET|EPIPE/, 'or the line is cut while it sends'),
    );
    for (const path of [
      ...['/page/../server.db', '/page/%2e%2e/service.js', '/page/..%2f..%2fcli/main.js', '/page//etc/passwd'],
      ...['/page/..%5c..%5cserver.db', '/page/index.html%00.css', '/page/', '/server.db', '//etc/passwd'],
    ])
      await refused(ask(path), 404, 'no-such-address', path);
    t.match(await hanging('NONSENSE\r\n\r\n').reply, /^HTTP\/1\.1 400 .*"errors":\[/s, 'what is no HTTP');
    t.match(
      await hanging(`GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(5000)}\r\n`).reply,
      /^HTTP\/1\.1 4\d\d /,
      'a huge head',
    );
  });

  await t.test('hostile names come through whole in JSON, and run in no spreadsheet', async (t) => {
    const hostile = [
      '=1+1.txt',
      '+cmd.txt',
      '-2.txt',
      '@SUM(A1).txt',
      'a"b, c.txt',
      "'; DROP TABLE items--.txt",
      '\t=x.txt',
    ];
    await server.admin.change({ op: 'create', type: 'folder', path: 'hostile' });
    for (const name of hostile) await server.admin.change({ op: 'create', path: `hostile/${name}`, content: 'x' });
    const target = join(installation.folder, 'target');
    mkdirSync(target);
    const disk = await send('POST', '/v1/connections', {
      name: '=Disk',
      platform: { id: 'fs' },
      auth: { uri: target },
    });
    const job = await send('POST', '/v1/jobs', {
      name: '=HYPERLINK("http://x","y")<script>alert(1)</script>',
      transfer: {
        transfer_type: 'copy',
        source: { connection: { id: 'Procore' }, target: { path: '/hostile' } },
        destination: { connection: { id: disk.json.connection.id } },
      },
      schedule: { mode: 'manual' },
    });
    t.equal(job.status, 201, job.text);
    const { id } = job.json.job;
    await send('PATCH', `/v1/jobs/${id}?start=1`);
    while (/^(start|running)$/.test((await ask(`/v1/jobs/${id}?fields=status`)).json.job.status)) await sleep(50);
    const { items } = (await ask(`/v1/transfers/items?job=${id}&limit=100`)).json;
    t.strictSame(items.map(({ name }: { name: string }) => name).sort(), [...hostile].sort());
    for (const path of [`/v1/transfers/items.csv?job=${id}`, '/v1/jobs.csv', '/v1/connections.csv']) {
      const { text, headers } = await ask(path);
      t.match(headers['content-disposition'], /^attachment/);
      for (const cell of cellsOf(text)) t.notMatch(cell, /^[=+\-@\t\r]/, `${path}: ${cell}`);
    }
    t.ok((await ask(`/v1/jobs/${id}`)).headers['content-type']?.includes('json'), 'no browser takes it for a page');
    t.equal((await ask(`/v1/transfers/items?job=${id}&q=${encodeURIComponent("'; DROP")}`)).json.meta.total_count, 1);
  });

  await t.test('200 clients at once, and many requests: the memory stays, the mount answers meanwhile', async (t) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 200 });
    t.teardown(() => agent.destroy());
    const get = (path: string): Promise<number> =>
      new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port, path, agent, headers: bearer }, (reply) => {
          reply.resume().once('end', () => resolve(reply.statusCode ?? 0));
        })
          .once('error', reject)
          .end();
      });
    const round = async (): Promise<void> => {
      const looks = readdir(mnt);
      const found = await Promise.all(Array.from({ length: 200 }, (_, n) => get(PATHS[n % PATHS.length]!)));
      t.ok(
        found.every((status) => status === 200),
        'all are answered',
      );
      t.strictSame((await looks).sort(), [...names, 'hostile'].sort(), 'ls meanwhile');
    };
    for (let n = 0; n < 3; n++) await round();
    const before = residentOf(service.child.pid!);
    for (let n = 0; n < 6; n++) await round();
    const after = residentOf(service.child.pid!);
    t.ok(after - before < 40, `1,200 requests more: ${before.toFixed(0)} MB, then ${after.toFixed(0)} MB`);
  });

  await t.test('clients that send slowly are sent away', async (t) => {
    for (const { reply } of slow) t.match(await reply, /^HTTP\/1\.1 408 .*did not arrive in time/s);
  });

  await t.test('the service ends: its mounts end with it, and what was written is at the server', async (t) => {
    await writeFile(join(mnt, 'last.txt'), 'just before');
    t.equal(await service.end('SIGTERM'), 0);
    t.notOk(isMounted(mnt));
    t.match(
      (await server.admin.tree()).find(({ path }) => path === 'last.txt'),
      { size: 11 },
    );
  });
});

const PATHS = [
  '/v1/jobs',
  '/v1/mounts',
  '/v1/connections',
  '/v1/transfers/items/flagged',
  '/v1/jobs/history',
  '/v1/budget',
];

/** What the logs say of the end of a mount. */
const ended = (installation: Installation): string =>
  installation
    .log()
    .split('\n')
    .filter((line) => /the daemon ends|nobody expected|process of a mount died/.test(line))
    .map((line) => `; ${line.slice(0, 1500)}`)
    .join('');

/** MB. */
const residentOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

/** Cells of a CSV (RFC 4180), all lines together. */
function cellsOf(csv: string): string[] {
  return [...csv.matchAll(/(?:^|,|\r\n)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}
