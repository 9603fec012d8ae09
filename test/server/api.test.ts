import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Installation } from '../helpers/mounted.js';
import { OpenApi } from '../helpers/openapi.js';
import { type Answer, type Request, RunningService } from '../helpers/service.js';
import { browse, decide } from '../helpers/sign-in.js';
import { simulator } from '../helpers/simulator.js';

const PASSWORD = 'correct horse battery';

t.test('the service at an address, with its users', async (t) => {
  const server = await simulator(t, { items: 20, projects: 1, spike: 1000 });
  const { ready } = server;
  const installation = new Installation(t);
  mkdirSync(installation.state, { recursive: true });
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
    }),
  );
  const nobody = await installation.procorefs(['serve', '--listen', '127.0.0.1:0']);
  t.equal(nobody.code, 1);
  t.match(nobody.stderr, /there are no users; make one with `procorefs users add/);
  await installation.must(['users', 'add', 'boss', '--role', 'manage'], { input: `${PASSWORD}\n` });
  await installation.must(['users', 'add', 'eye', '--role', 'read'], { input: `${PASSWORD} 2\n` });
  for (const name of readdirSync(installation.state).filter((name) => name.startsWith('server.db'))) {
    const path = join(installation.state, name);
    t.equal(statSync(path).mode & 0o777, 0o600, name);
    t.notOk(readFileSync(path).includes(PASSWORD), `${name} holds no password`);
  }
  let service = await RunningService.start(t, installation, ['--listen', '127.0.0.1:0']);
  const signedIn = (await service.signIn('boss', PASSWORD)).json as { access_token: string; refresh_token: string };
  const bearer = { authorization: `Bearer ${signedIn.access_token}` };
  const reader = (await service.signIn('eye', `${PASSWORD} 2`)).json as { access_token: string };
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

  await t.test('who may not is told so, in one form', async (t) => {
    const refused = async (answer: Promise<Answer>, status: number, code: string, what: string): Promise<void> => {
      const { status: got, json, headers } = await answer;
      t.equal(got, status, what);
      t.match(json, { errors: [{ description: String, code, remedy: String }] }, what);
      t.match(headers['content-type'], /^application\/json/, what);
      t.equal(headers['x-content-type-options'], 'nosniff', what);
    };
    const as = (authorization: string, more: Request = {}): Request => ({
      ...more,
      headers: { ...more.headers, authorization },
    });
    await refused(service.ask('/v1/jobs'), 401, 'not-signed-in', 'no token');
    await refused(service.ask('/v1/jobs', as(`Bearer ${'x'.repeat(43)}`)), 401, 'not-signed-in', 'a wrong token');
    await refused(
      service.ask('/v1/jobs', as(`Bearer ${signedIn.refresh_token}`)),
      401,
      'not-signed-in',
      'a refresh token',
    );
    const eye = `Bearer ${reader.access_token}`;
    t.equal((await service.ask('/v1/jobs', as(eye))).status, 200, 'who may look looks');
    await refused(service.ask('/v1/jobs/x', as(eye, { method: 'DELETE' })), 403, 'role-too-low', 'a write of a reader');
    await refused(service.ask('/v1/users', as(eye)), 403, 'role-too-low', 'the users');
    const foreign = { origin: 'https://evil.example' };
    await refused(
      ask('/v1/jobs', { method: 'POST', headers: foreign, body: {} }),
      403,
      'foreign-origin',
      'a page elsewhere',
    );
    await refused(ask('/v1/none'), 404, 'no-such-address', 'nothing there');
    await refused(ask('/v1/jobs/none'), 404, 'no-such-job', 'no such job');
    const json = { 'content-type': 'application/json' };
    for (const raw of ['{"name":', '[', '{"__proto__":{"x":1}}', '\u0000'])
      await refused(ask('/v1/jobs', { method: 'POST', headers: json, raw }), 400, 'request-refused-here', raw);
    await refused(send('POST', '/v1/jobs', { name: 'x', nonsense: 1 }), 400, 'job-refused', 'an unknown key');
    await refused(send('PATCH', '/v1/jobs?strat=1'), 400, 'request-refused-here', 'an unknown word of a change');
    await refused(
      ask('/v1/jobs', { method: 'POST', headers: { 'content-type': 'text/csv' }, raw: 'a,b' }),
      415,
      'request-refused-here',
      'another type',
    );
    const large = ask('/v1/jobs', { method: 'POST', headers: json, raw: Buffer.alloc(10 * 1024 * 1024, 32) });
    await large.then(
      ({ status }) => t.equal(status, 413, '10 MB'),
      (error: NodeJS.ErrnoException) => t.match(error.code, /ECONNRESET|EPIPE/, 'or the line is cut while it sends'),
    );
    for (const path of [
      '/page/../server.db',
      '/page/%2e%2e/service.js',
      '/page/..%2f..%2fcli/main.js',
      '/page//etc/passwd',
    ])
      await refused(ask(path), 404, 'no-such-address', path);
    const bad = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(service.http).port), '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'));
      let text = '';
      socket.on('data', (more) => (text += more)).on('close', () => resolve(text));
    });
    t.match(bad, /^HTTP\/1\.1 400 .*"errors":\[/s, 'what is no HTTP');
  });

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
    const used = await form({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
    t.equal(used.status, 400, 'a refresh token is good once');
    t.match(used.json, { error: 'invalid_grant', error_description: String, errors: [{ description: String }] });
    const headers = { authorization: `Bearer ${again.json.access_token}` };
    t.equal((await service.ask('/v1/session', { headers })).json.name, 'boss');
    t.equal((await service.ask('/connect/logout', { headers })).status, 200);
    t.equal((await service.ask('/v1/session', { headers })).status, 401, 'it has ended');
    const old = { authorization: `Bearer ${first.access_token}` };
    t.equal((await service.ask('/v1/session', { headers: old })).status, 401, 'with what it came from');
    const tries = [];
    for (let n = 0; n < 7; n++) tries.push((await service.signIn('nobody', 'wrong')).status);
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

  await t.test('every other call answers as the document says', async (t) => {
    const items = (await ask(`/v1/transfers/items?job=${job}&status=success`)).json;
    t.equal(items.meta.total_count, 2);
    await ask(`/v1/transfers/items/${items.items[0].id}`);
    t.equal((await send('PATCH', `/v1/transfers/items/${items.items[0].id}?retry=1`)).status, 404, 'it is not flagged');
    for (const path of [
      ...['/v1/transfers/items/flagged', `/v1/transfers/items/flagged?job=${job}`, `/v1/transfers/folders?job=${job}`],
      ...[`/v1/transfers/auditing?job=${job}`, `/v1/transfers/${job}/stats`, '/v1/jobs/history', '/v1/jobs/categories'],
      ...[`/v1/jobs/history?job=${job}&execution=last`, '/v1/jobs?kind=transfer&status=success&active=1&q=simple'],
      ...['/v1/mounts', '/v1/budget', '/v1/users', '/v1/roles', '/v1/schedulers', '/v1/performance/configuration'],
      ...['/v1/diagnostics/metrics', '/v1/diagnostics/logs/configuration', '/v1/session', '/v1/jobs.csv'],
      ...['/v1/jobs/history.csv', `/v1/transfers/auditing.csv?job=${job}`, '/v1/connections.csv'],
      ...['/v1/jobs?fields=name&fields=status', '/v1/jobs?fields=name,status', '/v1/jobs?fields=all&limit=1000'],
    ])
      t.equal((await ask(path)).status, 200, path);
    const { job_executions: runs } = (await ask(`/v1/jobs/history?job=${job}&execution=last`)).json;
    await ask(`/v1/jobs/history/${runs[0].id}`);
    t.match((await ask(`/v1/jobs/history/${runs[0].id}/report`)).json, { copied: 2 });
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
    await send('DELETE', '/v1/users/guest');
    const live = await service.ask('/v1/events?topics=none', { headers: bearer });
    t.equal(live.status, 400);
    t.strictSame(wrong, [], 'replies are what the document says');
    const left = api.operations.filter(
      (one) => !api.seen.has(one) && !/mounts\/|connect\/|\.csv$|PUT|DELETE .*connections/.test(one),
    );
    t.strictSame(
      left.filter((one) => one !== 'PATCH /v1/transfers/items/{id}'),
      [],
      'every call was made',
    );
  });

  await t.test('200 clients at once, and one that is slow', async (t) => {
    const slow = connect(Number(new URL(service.http).port), '127.0.0.1');
    slow.on('error', () => undefined).write('GET /v1/jobs HTTP/1.1\r\nHost: x\r\n');
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask('/v1/jobs?limit=5')));
    t.ok(answers.every(({ status }) => status === 200));
    slow.destroy();
  });

  await t.test('kill -9 in the middle of a run: it goes on after the restart', async (t) => {
    await server.admin.change({ op: 'create', type: 'folder', path: 'sourceDocumentLibrary/more' });
    for (let n = 0; n < 40; n++)
      await server.admin.change({ op: 'create', path: `sourceDocumentLibrary/more/${n}.txt`, content: `${n}` });
    await send('PATCH', `/v1/jobs/${job}?start=true`);
    for (;;) {
      const { execution } = (await ask(`/v1/jobs/${job}`)).json.job;
      if (execution) break;
      await sleep(10);
    }
    await service.end('SIGKILL');
    service = await RunningService.start(t, installation, ['--listen', '127.0.0.1:0']);
    const copied = join(installation.folder, 'target', 'destinationFolder', 'more');
    for (;;) {
      const { execution, previous_execution: last } = (await ask(`/v1/jobs/${job}`)).json.job;
      if (!execution && last?.status === 'completed' && readdirSync(copied).length === 40) break;
      await sleep(100);
    }
    t.equal((await ask('/v1/session')).json.name, 'boss', 'the token is good as before');
    const { job_executions: runs } = (await ask(`/v1/jobs/history?job=${job}`)).json;
    t.ok(runs.length >= 3, 'with the history');
    t.strictSame(wrong, []);
    t.equal(await service.end('SIGTERM'), 0, 'it ends gracefully');
  });
});
