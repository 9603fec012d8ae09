import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Installation } from '../support/mounted.js';
import { OpenApi } from '../support/openapi.js';
import { type Answer, type Request, RunningService } from '../support/service.js';
import { browse, decide } from '../support/sign-in.js';
import { simulator } from '../support/simulator.js';

const PASSWORD = 'correct horse battery';

t.test('the service at an address, with its users', async (t) => {
  const server = await simulator(t, { items: 20, projects: 1, spike: 1000 });
  const { ready } = server;
  const installation = new Installation(t);
  mkdirSync(installation.state, { mode: 0o700, recursive: true });
  writeFileSync(join(installation.folder, 'default-secret'), ready.client_secret, { mode: 0o600 });
  writeFileSync(
    join(installation.state, 'config.json'),
    JSON.stringify({
      default_client: {
        client_id: ready.client_id,
        client_secret_file: join(installation.folder, 'default-secret'),
        domain: ready.login,
        api: ready.api,
      },
      allowed_hosts: ['127.0.0.1'],
      fs_roots: [installation.folder],
    }),
  );
  const nobody = await installation.procorefs(['serve', '--listen', '127.0.0.1:0']);
  t.equal(nobody.code, 1);
  t.match(nobody.stderr, /there are no users; make one with `procorefs users add/);
  await installation.must(['users', 'add', 'boss', '--role', 'manage'], { input: `${PASSWORD}\n` });
  for (const name of readdirSync(installation.state).filter((name) => name.startsWith('server.db'))) {
    const path = join(installation.state, name);
    t.equal(statSync(path).mode & 0o777, 0o600, name);
    t.notOk(readFileSync(path).includes(PASSWORD), `${name} holds no password`);
  }
  const service = await RunningService.start(t, installation, ['--listen', '127.0.0.1:0']);
  const signedIn = (await service.signIn('boss', PASSWORD)).json as { access_token: string; refresh_token: string };
  const bearer = { authorization: `Bearer ${signedIn.access_token}` };
  const api = new OpenApi((await service.ask('/v1/openapi.json')).json);
  const wrong: string[] = [];
  const ask = async (path: string, request: Request = {}): Promise<Answer> => {
    const answer = await service.ask(path, { ...request, headers: { ...bearer, ...request.headers } });
    if (!path.includes('.csv')) wrong.push(...api.wrong(request.method ?? 'GET', path, answer));
    else if (answer.status === 200) api.seen.add(`GET ${path.split('?')[0]}`);
    return answer;
  };
  const send = (method: string, path: string, body?: unknown): Promise<Answer> =>
    ask(path, { method, headers: { 'content-type': 'application/json' }, ...(body === undefined ? {} : { body }) });
  const settled = async (id: string): Promise<string> => {
    for (;;) {
      const { status } = (await ask(`/v1/jobs/${id}?fields=status`)).json.job as { status: string };
      if (!['start', 'running', 'cancelling'].includes(status)) return status;
      await sleep(50);
    }
  };

  await t.test('sign-ins: renewed once, ended, and slow to guess', async (t) => {
    const form = (words: Record<string, string>): Promise<Answer> =>
      service.ask('/connect/token', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        raw: String(new URLSearchParams(words)),
      });
    const first = (await service.signIn('boss', PASSWORD)).json;
    t.match(first, { token_type: 'bearer', expires_in: 3600 });
    const again = await form({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
    t.equal(again.status, 200);
    const headers = { authorization: `Bearer ${again.json.access_token}` };
    t.equal((await service.ask('/v1/session', { headers })).json.name, 'boss');
    t.equal((await service.ask('/connect/logout', { headers })).status, 200);
    t.equal((await service.ask('/v1/session', { headers })).status, 401, 'it has ended');
    const old = { authorization: `Bearer ${first.access_token}` };
    t.equal((await service.ask('/v1/session', { headers: old })).status, 401, 'with what it came from');
    const used = await form({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
    t.equal(used.status, 400, 'a refresh token is good once');
    t.match(used.json, { error: 'invalid_grant', error_description: String, errors: [{ description: String }] });
    const tries: number[] = [];
    while (tries.at(-1) !== 429 && tries.length < 40) tries.push((await service.signIn('nobody', 'wrong')).status);
    t.strictSame(tries.slice(0, 4), [400, 400, 400, 400]);
    t.equal(tries.at(-1), 429, 'after some failures it takes time');
  });

  const ids = { source: '', destination: '' };
  await t.test('connections are made by a link, and by a POST', async (t) => {
    const standard = await ask('/v1/connections/platforms/procore/new?name=Site%20account');
    t.match(standard.json, {
      type: 'authorization',
      target: /\/oauth\/authorize\?/,
      attributes: { name: {}, domain: {} },
    });
    const page = await browse(standard.json.target);
    t.equal(page.status, 200);
    t.match(await page.text(), /Connection test succeeded/);
    const status = await ask(standard.json.authorization.links.status);
    t.match(status.json.sign_in, { state: 'succeeded', connection: { name: 'Site account', active: true } });
    const written = (await ask('/v1/audit?q=to%20Procore')).json.audit[0];
    const { id: made } = status.json.sign_in.connection;
    t.match(written, { who: 'boss', what: new RegExp(`^sign-in .* connection ${made}$`), result: 'succeeded' });
    const custom = await send('POST', '/v1/connections/platforms/procore/new', {
      name: 'Own app',
      client_id: ready.client_id,
      client_secret: ready.client_secret,
      domain: ready.login,
      api: ready.api,
    });
    t.equal((await browse(custom.json.target)).status, 200);
    const ended = async (path: string) => {
      for (;;) {
        const { sign_in: found } = (await ask(path)).json;
        if (found.state !== 'pending') return found;
        await sleep(20);
      }
    };
    const afar = (await ask('/v1/connections/platforms/procore/new?name=Afar&by=code')).json.authorization;
    const own = `/v1/connections/sign-ins/${afar.id}`;
    t.match((await ask(own)).json.sign_in, { state: 'pending', needs_code: true, target: afar.target });
    const shown = (await decide(afar.target)).code!;
    t.equal((await send('POST', own, { code: `${ready.login}/oauth/authorize/native?code=${shown}` })).status, 200);
    t.match(await ended(own), { state: 'succeeded', connection: { name: 'Afar', active: true }, needs_code: false });
    t.equal((await send('POST', own, { code: shown })).status, 400, 'it has ended');
    const again = (await ask('/v1/connections/Afar/edit?by=code')).json.authorization;
    await send('POST', again.links.status, { code: 'wrong' });
    t.match(await ended(again.links.status), { state: 'failed', error: { code: 'code-refused' } });
    await send('DELETE', '/v1/connections/Afar');
    const denied = await ask('/v1/connections/platforms/procore/new?name=Never');
    await browse(denied.json.target, 'deny');
    const failed = (await ask(denied.json.authorization.links.status)).json.sign_in;
    t.match(failed, { state: 'failed', connection: null, error: { code: 'sign-in-denied' } });
    const all = (await ask('/v1/connections?fields=name&platform=procore')).json;
    t.strictSame(
      all.connections.map(({ name }: { name: string }) => name),
      ['Own app', 'Site account'],
    );
    const bound = await send('POST', '/v1/connections', {
      name: 'Bound',
      platform: { id: 'procore' },
      auth: {
        ...{ client_id: ready.client_id, client_secret: ready.client_secret, domain: ready.login, api: ready.api },
        ...{ company: ready.company_id, project: ready.projects[0]!.id },
      },
    });
    t.equal(bound.status, 201, bound.text);
    t.notMatch(bound.text, ready.client_secret, 'no secret comes back');
    mkdirSync(join(installation.folder, 'target'));
    const disk = await send('POST', '/v1/connections', {
      name: 'Disk',
      platform: { id: 'fs' },
      auth: { uri: join(installation.folder, 'target') },
    });
    t.equal(disk.status, 201, disk.text);
    const missing = await send('POST', '/v1/connections', { platform: { id: 'fs' }, auth: { uri: '/none/such' } });
    t.ok(missing.status >= 400, 'what fails its test');
    t.equal((await ask('/v1/connections?platform=fs')).json.meta.total_count, 1, 'is not kept');
    ids.source = bound.json.connection.id;
    ids.destination = disk.json.connection.id;
    const top = (await ask(`/v1/connections/${ids.source}/items?limit=2`)).json;
    t.equal(top.items.length, 2);
    t.equal(top.meta.has_more, true);
    t.strictSame(top.item, top.items);
    const next = await ask(top.meta.links.next);
    t.not(next.json.items[0].id, top.items[0].id);
    const folder = top.items[0];
    const below = await ask(folder.links.items);
    t.equal(below.status, 200, 'by the id of a folder');
    t.equal((await send('POST', `/v1/connections/${ids.destination}/test`)).status, 200);
    t.equal((await send('PATCH', `/v1/connections/${ids.destination}`, { name: 'Archive' })).status, 200);
    t.equal((await ask(`/v1/connections/${ids.destination}`)).json.connection.name, 'Archive');
    await ask(`/v1/connections/${ids.source}/accounts`);
    await ask(`/v1/connections/${ids.source}/projects`);
    await ask(`/v1/connections/${ids.destination}/edit`);
    await ask('/v1/connections/platforms');
    await ask('/v1/connections/platforms/s3');
    await ask('/v1/connections/platforms/compare?source=procore&destination=fs');
  });

  let job = '';
  await t.test("the contract's own job is defined unchanged, runs and copies", async (t) => {
    await server.admin.change({ op: 'create', type: 'folder', path: 'sourceDocumentLibrary' });
    await server.admin.change({ op: 'create', path: 'sourceDocumentLibrary/=1+1.txt', content: 'formula' });
    await server.admin.change({ op: 'create', path: 'sourceDocumentLibrary/plan.txt', content: 'a plan' });
    const body = `{ "name":"Simple Job", "kind":"transfer",
  "transfer":{ "transfer_type":"copy",
    "source":{"connection":{"id":"${ids.source}"},"target":{"path":"/sourceDocumentLibrary"}},
    "destination":{"connection":{"id":"${ids.destination}"},"target":{"path":"/destinationFolder"}},
    "simulation_mode":false },
  "schedule":{"mode":"manual"},
  "stop_policy":{"on_success":5,"on_failure":5,"on_execute":25},
  "category":{"name":"Report {Name}"} }`;
    const made = await ask('/v1/jobs', { method: 'POST', headers: { 'content-type': 'application/json' }, raw: body });
    t.equal(made.status, 201, made.text);
    t.match(made.json.job, { created_by: 'boss', category: { name: 'Report {Name}' }, status: 'idle' });
    job = made.json.job.id;
    await send('POST', `/v1/jobs/${job}/estimate`);
    await settled(job);
    const { estimate } = (await ask(`/v1/jobs/${job}/estimate`)).json;
    t.match(estimate, { items: Number, calls: Number, hours: Number });
    t.equal((await send('PATCH', `/v1/jobs/${job}?start=1`)).status, 200, 'a PATCH whose body is empty');
    t.equal(await settled(job), 'success');
    const copied = join(installation.folder, 'target', 'destinationFolder');
    t.strictSame(
      readdirSync(copied).filter((name) => !name.startsWith('.')),
      ['=1+1.txt', 'plan.txt'],
    );
    t.equal(readFileSync(join(copied, 'plan.txt'), 'utf8'), 'a plan');
    const csv = await ask(`/v1/transfers/items.csv?job=${job}`);
    t.match(csv.headers['content-type'], /^text\/csv/);
    t.match(csv.text, /^id,source\.path,.*\r\n/);
    t.equal(csv.text.trim().split('\r\n').length, 3);
  });

  await t.test('what scripts for the connector rely on', async (t) => {
    const { source, destination } = ids;
    const stats = await ask(`/v1/connections/${destination}/stats?fields=all&ignoreShared=1&ignoreHidden=0`);
    t.match(stats.json, {
      item_stats: { items: { count: 2, bytes: 'a planformula'.length }, containers: { count: 1 } },
    });
    t.notOk('status' in stats.json, 'without an envelope');
    const below = await ask(`/v1/connections/${source}/stats?path=/sourceDocumentLibrary`);
    t.match(below.json.item_stats, { items: { count: 2 }, containers: { count: 0, unreadable: 0 } });
    const line = await ask(`/v1/connections/${source}/stats.csv?path=sourceDocumentLibrary`);
    t.equal(line.text, 'item_stats.items.count,item_stats.items.bytes,item_stats.containers.count\r\n2,13,0\r\n');
    const company = (await ask('/v1/connections/Site%20account/stats')).json;
    t.strictSame(company.projects, { counted: 0, unknown: 1 }, 'a company is not crawled for it');
    t.equal((await ask(`/v1/connections/${source}/stats?path=/none`)).status, 404);

    // What is too long for an address goes into the body: the token itself, or a key of that name.
    const { items } = (await ask(`/v1/connections/${destination}/items`)).json;
    const folder = items.find(({ type }: { type: string }) => type === 'container');
    const deep = join(installation.folder, 'target', ...Array.from({ length: 12 }, () => 'd'.repeat(200)));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, 'end.txt'), '');
    const long = Array.from({ length: 12 }, () => 'd'.repeat(200)).join('/');
    for (const [token, name] of [
      [folder.id, '=1+1.txt'],
      [long, 'end.txt'],
    ])
      for (const body of [token, { token }]) {
        const path = `/v1/connections/${destination}/items?limit=5&fields=all&unheard=of`;
        const found = await send('POST', path, body);
        t.equal(found.status, 200, found.text);
        t.equal(found.json.items[0].name, name);
      }
    t.equal((await send('POST', `/v1/connections/${destination}/items`)).json.meta.total_count, 2);
    await send('POST', `/v1/connections/${destination}/items/${folder.id}`);
    t.equal((await ask(`/v1/connections/${destination}/items?token=${folder.id}`)).json.meta.total_count, 2);
    rmSync(join(installation.folder, 'target', 'd'.repeat(200)), { recursive: true });

    const as = (who: string, path: string): Promise<Answer> => ask(path, { headers: { 'x-connect-as': who } });
    const { accounts } = (await ask(`/v1/connections/${source}/accounts`)).json;
    t.equal((await as(accounts[0].login, `/v1/connections/${source}/items`)).status, 200, 'as oneself');
    const other = await as('someone@else.example', `/v1/connections/${source}/items`);
    t.equal(other.status, 403);
    t.match(other.json.errors[0], { code: 'no-impersonation', description: /someone@else\.example/ });
    t.equal((await as('x', `/v1/connections/${source}/stats`)).status, 403);
    t.equal((await as('x', '/v1/jobs')).status, 400, 'it is not ignored');

    for (const list of ['items', 'folders', 'links', 'auditing', 'security_map']) {
      const { json } = await ask(`/v1/transfers/${list}?job=${job}&fields=all`);
      t.ok(Array.isArray(json.item), `${list} stands under item`);
      t.equal((await ask(`/v1/transfers/${list}.csv?job=${job}`)).status, 200);
    }
    const { item: map } = (await ask(`/v1/transfers/security_map?job=${job}`)).json;
    t.match(map, [{ source: { login: accounts[0].login }, resolution: 'connection', message: String }]);
    t.ok((await ask('/v1/transfers/auditing')).json.meta.total_count >= 2, 'of all runs');

    const counted = (await ask(`/v1/transfers/${job}/stats`)).json.stats;
    const amount = { files: 2, bytes: 13, versions: 2 };
    const none = { files: 0, bytes: 0, versions: 0 };
    const end = { new: amount, existing: none, pending: none, flagged: 0, ignored: 0, revisions: 0, rate_limits: 0 };
    t.match(counted, { source: end, destination: end, errors: { warnings: 0, failures: 0 } });

    await server.admin.change({ op: 'update', path: 'sourceDocumentLibrary/plan.txt', content: 'another plan' });
    await server.admin.change({ op: 'create', type: 'folder', path: 'sourceDocumentLibrary/sub' });
    t.equal((await send('PATCH', '/v1/jobs?q=simple&start=true')).json.meta.total_count, 1);
    t.equal(await settled(job), 'success');
    const again = (await ask(`/v1/transfers/${job}/stats`)).json.stats;
    t.match(again.destination, { existing: { files: 1, bytes: 7, versions: 1 }, new: { files: 1, bytes: 12 } });
    t.match([again.source.revisions, again.destination.revisions], [0, 1], 'the destination has a revision');
    t.match([again.source.folders, again.destination.folders], [1, 1]);
    await send('PATCH', `/v1/jobs/${job}`, { status: 'start' });
    t.equal(await settled(job), 'success');
    t.match((await ask(`/v1/transfers/${job}/stats`)).json.stats.source, { existing: { files: 2 }, new: none });
    t.equal((await ask('/v1/transfers/links?job=none')).status, 404);
    for (const none of ['licence', 'sites', 'cluster', 'extensions', 'profiles', 'connections/none/groups'])
      t.match(await ask(`/v1/${none}`), { status: 404, json: { errors: [{ description: String }] } }, none);
  });

  await t.test('connections are read, changed and sent back', async (t) => {
    for (const id of [ids.source, ids.destination]) {
      const { connection } = (await ask(`/v1/connections/${id}`)).json;
      const put = await send('PUT', `/v1/connections/${id}`, connection);
      t.equal(put.status, 200, put.text);
      t.strictSame(put.json.connection, connection);
      const patch = await send('PATCH', `/v1/connections/${id}`, { auth: { unheard_of: 'x', client_id: 'other' } });
      t.equal(patch.status, 400, patch.text);
    }
    const elsewhere = { auth: { uri: '/none/such' } };
    t.ok((await send('PATCH', `/v1/connections/${ids.destination}`, elsewhere)).status >= 400);
    t.equal(
      (await ask(`/v1/connections/${ids.destination}`)).json.connection.auth.uri,
      join(installation.folder, 'target'),
    );
    const wrong = { auth: { client_id: ready.client_id, client_secret: 'wrong' } };
    t.ok(
      (await send('PATCH', `/v1/connections/${ids.source}`, wrong)).status >= 400,
      'what does not work is taken back',
    );
    t.equal((await send('POST', `/v1/connections/${ids.source}/test`)).status, 200);
    const calls = { auth: { max_calls_per_hour: 3000, domain: ready.login } };
    t.equal((await send('PATCH', `/v1/connections/${ids.source}`, calls)).status, 200);
  });

  await t.test('every other call answers as the document says', async (t) => {
    const items = (await ask(`/v1/transfers/items?job=${job}&status=success`)).json;
    t.equal(items.meta.total_count, 2, 'of the last run that changed something');
    await ask(`/v1/transfers/items/${items.items[0].id}`);
    t.equal((await send('PATCH', `/v1/transfers/items/${items.items[0].id}?retry=1`)).status, 404, 'it is not flagged');
    for (const path of [
      ...['/v1/transfers/items/flagged', `/v1/transfers/items/flagged?job=${job}`, `/v1/transfers/folders?job=${job}`],
      ...[`/v1/transfers/auditing?job=${job}`, `/v1/transfers/${job}/stats`, '/v1/jobs/history', '/v1/jobs/categories'],
      ...[`/v1/jobs/history?job=${job}&execution=last`, '/v1/jobs?kind=transfer&status=success&active=1&q=simple'],
      ...[
        '/v1/mounts',
        '/v1/budget',
        '/v1/health',
        '/v1/users',
        '/v1/roles',
        '/v1/schedulers',
        '/v1/performance/configuration',
      ],
      ...[
        '/v1/audit',
        '/v1/audit.csv',
        '/v1/diagnostics/metrics',
        '/v1/diagnostics/logs/configuration',
        '/v1/session',
        '/v1/jobs.csv',
      ],
      ...['/v1/jobs/history.csv', `/v1/transfers/auditing.csv?job=${job}`, '/v1/connections.csv'],
      ...['/v1/jobs?fields=name&fields=status', '/v1/jobs?fields=name,status', '/v1/jobs?fields=all&limit=1000'],
    ])
      t.equal((await ask(path)).status, 200, path);
    const { job_executions: runs } = (await ask(`/v1/jobs/history?job=${job}&execution=last`)).json;
    await ask(`/v1/jobs/history/${runs[0].id}`);
    t.match((await ask(`/v1/jobs/history/${runs[0].id}/report`)).json, {
      copied: 0,
      unchanged: 2,
      source: `${ids.source}:/sourceDocumentLibrary`,
    });
    const category = (await send('POST', '/v1/jobs/categories', { name: 'Nightly' })).json.job_category;
    await ask(`/v1/jobs/categories/${category.id}`);
    t.equal((await send('PATCH', '/v1/jobs?q=none&start=1')).json.meta.total_count, 0, 'a filter that fits nothing');
    t.equal((await send('PATCH', `/v1/jobs/${job}`, { priority: 70 })).json.job.priority, 70);
    const whole = (await ask(`/v1/jobs/${job}`)).json.job;
    t.equal((await send('PUT', `/v1/jobs/${job}`, whole)).status, 200, 'what was read can be sent back');
    const clone = await send('POST', `/v1/jobs/${job}/clone`, {
      name: 'Twin',
      transfer: { destination: { target: { path: '/twin' } } },
    });
    t.equal(clone.status, 201, clone.text);
    const names = async (sort: string): Promise<string[]> =>
      (await ask(`/v1/jobs?sort=${sort}`)).json.jobs.map(({ name }: { name: string }) => name);
    t.strictSame(await names('-name'), ['Twin', 'Simple Job']);
    t.strictSame(await names('destination'), ['Simple Job', 'Twin']);
    for (const sort of ['last_run', '-last_run']) t.equal((await names(sort)).at(-1), 'Twin', 'nothing comes last');
    t.equal((await ask('/v1/jobs?sort=secret')).status, 400);
    t.equal((await ask('/v1/connections?sort=-name')).json.connections.at(-1).name, 'Archive');
    t.equal((await ask(`/v1/transfers/items?job=${job}&renamed=1`)).json.meta.total_count, 0);
    t.equal((await send('PATCH', `/v1/jobs/${job}?reset=hard`)).status, 200);
    t.equal((await send('DELETE', `/v1/jobs/${clone.json.job.id}`)).status, 200);
    t.equal((await send('PATCH', `/v1/transfers/items?job=${job}&ignore=1`)).json.meta.total_count, 0);
    const report = (await send('POST', '/v1/reports', { name: 'All', filter: { status: ['success', 'idle'] } })).json
      .report;
    for (const part of ['', '/stats', '/jobs', '/items']) await ask(`/v1/reports/${report.id}${part}`);
    await ask('/v1/reports');
    await send('DELETE', `/v1/reports/${report.id}`);
    const user = await send('POST', '/v1/users', { name: 'guest', role: 'read', password: 'a password' });
    t.equal(user.status, 201);
    t.notMatch(user.text, 'a password');
    const guest = (await service.signIn('guest', 'a password')).json.access_token;
    const asGuest = { headers: { authorization: `Bearer ${guest}` } };
    t.equal((await send('PATCH', '/v1/users/guest', { role: 'manage' })).json.user.role, 'manage');
    t.equal((await service.ask('/v1/session', asGuest)).json.role, 'manage', 'from now on');
    t.equal((await send('PATCH', '/v1/users/guest', { password: 'short' })).status, 400);
    t.equal((await send('PATCH', '/v1/users/guest', { password: 'another one' })).status, 200);
    t.equal((await service.ask('/v1/session', asGuest)).status, 401, 'a new password ends all sign-ins');
    t.equal((await service.signIn('guest', 'another one')).status, 200);
    t.equal((await send('PATCH', '/v1/users/nobody', { role: 'read' })).status, 404);
    await send('DELETE', '/v1/users/guest');
    const live = await service.ask('/v1/events?topics=none', { headers: bearer });
    t.equal(live.status, 400);
    t.strictSame(wrong, [], 'replies are what the document says');
    const left = api.operations.filter(
      (one) => !api.seen.has(one) && !/mounts\/|connect\/|events$|\.csv$|PUT|DELETE .*connections/.test(one),
    );
    t.strictSame(
      left.filter((one) => one !== 'PATCH /v1/transfers/items/{id}'),
      [],
      'every call was made',
    );
  });
});
