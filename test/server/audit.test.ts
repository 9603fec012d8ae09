import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { AuditLog } from '#src/server/access/audit.js';
import { openServerDatabase } from '#src/server/access/database.js';
import { Guarded, PASSWORD } from '../support/access.js';
import { Installation } from '../support/mounted.js';
import { RunningService } from '../support/service.js';

const DAY = 86_400;

t.test('what people change is written down: who, from where, what, and what came of it', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage', bob: 'read' }, { trusted_proxies: ['127.0.0.1'] });
  const { access_token: token, refresh_token: refresh } = (await service.signIn('ann')).json;
  const { access_token: reader } = (await service.signIn('bob')).json;
  const body = { name: 'eve', role: 'read', password: 'the password of eve' };
  const headers = { 'x-forwarded-for': '192.0.2.7' };
  await service.ask('/v1/users', { method: 'POST', token, headers, body });
  await service.ask('/v1/users/eve', { method: 'PATCH', token, body: { role: 'manage' } });
  await service.ask('/v1/users/eve', { method: 'DELETE', token: reader });
  await service.ask('/v1/users/eve', { method: 'DELETE', token });
  await service.ask('/v1/jobs/none?start=1', { method: 'PATCH', token });
  await service.ask('/v1/connections', { method: 'POST', token, body: { client_secret: 'a secret of somebody' } });
  await service.ask('/v1/jobs', { method: 'POST', token, headers: { origin: 'https://evil.example' }, body: {} });
  await service.ask('/v1/jobs', { method: 'POST', body: {} });
  await service.signIn('ann', 'wrong password', headers);
  let refused = 0;
  while ((await service.signIn('\u001b[31mbob\n', 'wrong password')).status !== 429) refused++;
  await service.renew(refresh);
  await service.renew(refresh);
  await service.ask('/v1/connect/logout', { token: reader });
  const { access: next } = service.tokens('ann');
  const { json } = await service.ask('/v1/audit?limit=100', { token: next });
  const rows = json.audit.map(({ who, from, what, result }: Record<string, string>) =>
    [who, from, what, result].join(' | '),
  );
  const here = '127.0.0.1';
  const expected = [
    `ann | ${here} | POST /connect/token (password) | 200`,
    `bob | ${here} | POST /connect/token (password) | 200`,
    'ann | 192.0.2.7 | POST /v1/users eve (name, role, password) | 201',
    `ann | ${here} | PATCH /v1/users/eve (role) | 200`,
    `bob | ${here} | DELETE /v1/users/eve | 403 role-too-low`,
    `ann | ${here} | DELETE /v1/users/eve | 200`,
    `ann | ${here} | PATCH /v1/jobs/none (start) | 404 no-such-job`,
    `ann | ${here} | POST /v1/connections | 400 request-refused-here`,
    `ann | ${here} | POST /v1/jobs | 403 foreign-origin`,
    `- | ${here} | POST /v1/jobs | 401 not-signed-in`,
    'ann | 192.0.2.7 | POST /connect/token (password) | 400 login-refused',
    ...Array.from(
      { length: refused },
      () => `\\x1b[31mbob\\x0a | ${here} | POST /connect/token (password) | 400 login-refused`,
    ),
    `\\x1b[31mbob\\x0a | ${here} | POST /connect/token (password) | 429 login-throttled`,
    `ann | ${here} | POST /connect/token (refresh_token) | 200`,
    `ann | ${here} | POST /connect/token (refresh_token, spent) | 400 login-refused`,
    `bob | ${here} | GET /v1/connect/logout | 200`,
  ];
  t.strictSame(rows.toReversed(), expected);
  t.ok(json.audit.every(({ time }: { time: number }) => Math.abs(time - Date.now() / 1000) < 600));
  for (const secret of [PASSWORD, body.password, 'wrong password', 'a secret of somebody', token, refresh])
    t.notMatch(JSON.stringify(json), secret);
  const found = (await service.ask('/v1/audit?q=192.0.2.7&limit=1', { token: next })).json;
  t.match(found, { audit: [{ what: /^POST/ }], meta: { total_count: 2, has_more: true } });
  t.equal((await service.ask('/v1/audit?q=%25', { token: next })).json.meta.total_count, 0, 'a text is no pattern');
  const csv = await service.ask('/v1/audit.csv', { token: next });
  t.match(csv.text, /^time,who,from,what,result\r\n/);
  t.equal(csv.text.trim().split('\r\n').length, expected.length + 1);
  const { access: again } = service.tokens('bob');
  t.equal((await service.ask('/v1/audit', { token: again })).status, 403);
});

t.test('the command line tells what was done, and what it does itself', async (t) => {
  const installation = new Installation(t);
  t.match(await installation.must(['audit']), 'nothing was done yet');
  await installation.must(['users', 'add', 'ann', '--role', 'manage'], { input: `${PASSWORD}\n` });
  const service = await RunningService.start(t, installation, []);
  await service.ask('/v1/users', { method: 'POST', body: { name: 'bob', role: 'read', password: PASSWORD } });
  await service.ask('/v1/users/%1b%5b31m%0abob', { method: 'DELETE' });
  await service.end('SIGTERM');
  await installation.must(['users', 'remove', 'bob']);
  const text = await installation.must(['audit']);
  t.match(text, /^TIME \(UTC\) +WHO +FROM +WHAT +RESULT\n/);
  t.match(
    text,
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}user \S+\(\d+\) on this machine +command line +users add ann \(manage\) +done$/m,
  );
  t.match(text, /^\S+ \S+ +owner +socket +POST \/v1\/users bob \(name, role, password\) +201$/m);
  t.match(text, / DELETE \/v1\/users\/\\x1b\[31m\\x0abob +404 no-such-user$/m);
  t.match(text, /users remove bob +done\n$/);
  t.notMatch(text, /[^\n\x20-\x7e]/, 'nothing of it moves a cursor');
  t.equal(text.trim().split('\n').length, 5);
  const rows = JSON.parse(await installation.must(['audit', '--json', '--last', '2'])) as { what: string }[];
  t.strictSame(
    rows.map(({ what }) => what.split(' ')[0]),
    ['DELETE', 'users'],
  );
  t.equal((await installation.must(['audit', '--grep', 'remove'])).trim().split('\n').length, 2);
});

t.test('lines are added; none is changed, and none goes before its time', async (t) => {
  const database = openServerDatabase(t.testdir());
  t.teardown(() => database.close());
  const now = Date.now();
  const line = { who: 'ann', from: '192.0.2.1', what: 'POST /v1/jobs', result: '201' };
  new AuditLog(database, { ...systemClock, now: () => now - 401 * DAY * 1000 }).add(line);
  const audit = new AuditLog(database, { ...systemClock, now: () => now });
  audit.add(line);
  t.throws(() => database.prepare("UPDATE audit SET who = 'bob'").run(), /is not changed/);
  t.throws(() => database.prepare('DELETE FROM audit').run(), /is kept/);
  t.equal(audit.page(0, 10).total, 2);
  audit.purge();
  t.equal(audit.page(0, 10).total, 1);
});

t.test('who is not signed in does not fill the disk', async (t) => {
  const database = openServerDatabase(t.testdir());
  t.teardown(() => database.close());
  let now = 0;
  const audit = new AuditLog(database, { ...systemClock, now: () => now });
  const line = { who: '-', from: '192.0.2.1', what: 'POST /v1/jobs', result: '401 not-signed-in' };
  const added = (client: string): boolean => audit.addStranger(line, client);
  t.equal(Array.from({ length: 1000 }, () => added('192.0.2.1')).filter(Boolean).length, 100);
  t.ok(added('192.0.2.2'), 'others have lines of their own');
  now += 60_000;
  t.strictSame([added('192.0.2.1'), added('192.0.2.1')], [true, false], 'one a minute after that');
  audit.add(line);
  t.equal(audit.page(0, 1).total, 103);
});
