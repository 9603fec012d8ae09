import { hostname } from 'node:os';
import t from 'tap';
import { warningsOf } from '#src/daemon/serve-access.js';
import type { StateFolder } from '#src/project/state-folder.js';
import { ServiceHosts } from '#src/server/http/hosts.js';
import type { Reach } from '#src/server/reach.js';
import { Guarded } from '../support/access.js';
import { Installation } from '../support/mounted.js';
import { RunningService } from '../support/service.js';

t.test('a request by a name that is none of this service is refused, whatever it asks for', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' }, { hosts: ['docs.example.com'] });
  const { access: token } = service.tokens('ann');
  const as = (host: string, path: string) => service.ask(path, { token, headers: { host } });
  for (const host of [
    ...['evil.example', 'evil.example:80', 'localhost.evil.example', '127.0.0.1.evil.example', 'docs.example.com.evil'],
    ...['[::1].evil.example', 'evil.example@127.0.0.1', '127.0.0.1@evil.example', 'localhost, evil.example', '[evil]'],
    ...['1', '0x7f000001', '127.1', 'localhost..'],
  ])
    for (const path of ['/', '/v1/session', '/v1/openapi.json', '/page/main.js', '/none']) {
      const { status, json } = await as(host, path);
      t.equal(status, 421, `${host}${path}`);
      t.match(json.errors[0], { code: 'host-unknown', remedy: /"hosts" in STATE\/config\.json/ });
    }
  for (const host of [undefined, '', ':80'])
    t.throws(() => new ServiceHosts([]).require(host), { code: 'host-unknown' });
  const form = { grant_type: 'password', username: 'ann', password: 'x' };
  t.equal(
    (await service.ask('/connect/token', { method: 'POST', form, headers: { host: 'evil.example' } })).status,
    421,
  );
  for (const host of [
    ...['127.0.0.1', '127.0.0.1:9090', '[::1]:9090', '192.0.2.1', 'localhost', 'LOCALHOST:1', 'localhost.'],
    ...[hostname(), `${hostname().toUpperCase()}:9090`, 'docs.example.com', 'Docs.Example.com:443'],
  ])
    t.equal((await as(host, '/v1/session')).status, 200, host);
  await t.rejects(Guarded.start(t, { ann: 'manage' }, { hosts: ['http://docs.example.com'] }), {
    code: 'usage',
    message: /"hosts" in .* cannot be used/,
  });
});

t.test('localhost is an address of this machine', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' }, {}, 'localhost:0');
  t.match(service.http, /^http:\/\/localhost:\d+$/);
  t.equal((await service.ask('/v1/session')).status, 401);
});

t.test('at a unix socket a name means nothing', async (t) => {
  const installation = new Installation(t);
  const service = await RunningService.start(t, installation, []);
  t.equal((await service.ask('/v1/session', { headers: { host: 'anything.example' } })).status, 200);
});

t.test('plain HTTP beyond this machine is warned of', async (t) => {
  const state = { configFile: '/state/config.json' } as StateFolder;
  const reach = (...roots: string[]) => ({ roots }) as unknown as Reach;
  const at = (host: string, hasTls: boolean) =>
    warningsOf({ kind: 'address', host, port: 9090 }, hasTls, reach('/srv'), state);
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'docs.example.com']) {
    t.match(at(host, false), [/unencrypted; give --tls-cert/], host);
    t.strictSame(at(host, true), [], `${host} with TLS`);
  }
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) t.strictSame(at(host, false), [], host);
  t.match(warningsOf({ kind: 'address', host: '::1', port: 1 }, true, reach(), state), [
    /fs_roots.*state\/config.json/,
  ]);
  t.strictSame(warningsOf({ kind: 'socket', path: '/run/x.sock' }, false, reach(), state), []);
  const installation = new Installation(t);
  await installation.must(['users', 'add', 'ann', '--role', 'manage'], { input: 'correct horse battery\n' });
  const service = await RunningService.start(t, installation, ['--listen', '0.0.0.0:0']);
  await service.end('SIGTERM');
  t.match(service.errors, /^procorefs: passwords and tokens go over the network to 0\.0\.0\.0 unencrypted/);
  t.match(installation.log(), /"level":40.*passwords and tokens go over the network/);
});
