import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import t from 'tap';
import { Secret } from '#src/base/secret.js';
import { Guarded, PASSWORD } from '../support/access.js';

/** A stream of events, and what it told. */
async function watch(service: Guarded, token: string) {
  const url = `${service.http}/v1/events?topics=mounts`;
  const sent = get(url, { agent: false, headers: { authorization: `Bearer ${token}` } });
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { reply, told: () => text };
}

t.test('who was removed, signed out or given another role is told no more events', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage', bob: 'read', cid: 'manage', eve: 'read' });
  const { access: boss } = service.tokens('ann');
  const stays = await watch(service, boss);
  const watchers = [];
  for (const name of ['bob', 'cid', 'eve']) watchers.push(await watch(service, service.tokens(name).access));
  const { access: fourth } = service.tokens('bob');
  t.equal((await service.ask('/v1/users/bob', { method: 'DELETE', token: boss })).status, 200);
  t.equal((await service.ask('/v1/session', { token: fourth })).status, 401);
  await service.ask('/v1/users/cid', { method: 'PATCH', token: boss, body: { role: 'read' } });
  service.database.prepare("DELETE FROM tokens WHERE user = 'eve'").run();
  const beats = (): number => stays.told().split('still here').length;
  for (const last = beats() + 2; beats() < last; ) await once(stays.reply, 'data');
  for (const { reply } of watchers) t.ok(reply.destroyed, 'what was told has ended, while others go on');
  stays.reply.destroy();
});

t.test('one user watches so often, and leaves some to others', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage', bob: 'read' });
  const { access } = service.tokens('bob');
  const open = [];
  for (let n = 0; n < 20; n++) open.push(await watch(service, access));
  t.equal((await service.ask('/v1/events', { token: access })).status, 429);
  t.equal((await service.ask('/v1/events', { token: service.tokens('ann').access })).status, 200);
  open[0]!.reply.destroy();
  while ((await service.ask('/v1/events', { token: access })).status !== 200);
  for (const { reply } of open) reply.destroy();
});

t.test('a sign-out ends the sign-in, whichever of its tokens is given', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' });
  for (const kind of ['access', 'refresh', 'expired', 'spent'] as const) {
    const first = service.tokens('ann');
    const second = (await service.renew(first.refresh)).json;
    if (kind === 'expired') service.expire();
    // Signing in forgets what is over.
    service.tokens('ann');
    const given = {
      access: second.access_token,
      refresh: second.refresh_token,
      expired: first.access,
      spent: first.refresh,
    }[kind];
    t.equal((await service.ask('/v1/connect/logout', { token: given })).status, 200, kind);
    t.equal((await service.renew(second.refresh_token)).status, 400, `${kind}: nothing renews it`);
    t.equal((await service.ask('/v1/session', { token: second.access_token })).status, 401, `${kind}: it is over`);
  }
});

t.test('a refresh token that comes again ends all that came of its sign-in', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' });
  const first = service.tokens('ann');
  const other = service.tokens('ann');
  const thief = (await service.renew(first.refresh)).json;
  t.equal((await service.ask('/v1/session', { token: thief.access_token })).status, 200);
  t.equal((await service.renew(first.refresh)).status, 400);
  t.equal((await service.renew(thief.refresh_token)).status, 400, 'neither of the two has a renewal left');
  for (const token of [first.access, thief.access_token])
    t.equal((await service.ask('/v1/session', { token })).status, 401);
  t.equal((await service.ask('/v1/session', { token: other.access })).status, 200, 'another sign-in goes on');
  t.match(service.installation.log(), /a refresh token came twice/);
  const kept = service.database.prepare('SELECT * FROM tokens').all();
  for (const token of [first.refresh, other.refresh]) t.notMatch(JSON.stringify(kept), token, 'hashes are kept alone');
});

t.test('a password that is changed while it is checked is good no more', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' });
  const { salt, hash } = service.database.prepare('SELECT salt, hash FROM users').get() as Record<string, Buffer>;
  const set = (bytes: Buffer) => service.database.prepare('UPDATE users SET salt = ?, hash = ?').run(salt, bytes);
  const checked = service.users.check('ann', new Secret(PASSWORD), 'here');
  await new Promise((resolve) => setImmediate(resolve));
  set(Buffer.alloc(32));
  t.equal(await checked, undefined);
  set(hash!);
  t.match(await service.users.check('ann', new Secret(PASSWORD), 'here'), { name: 'ann' });
});

t.test('what is over is forgotten', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' });
  const count = () => (service.database.prepare('SELECT COUNT(*) AS n FROM tokens').get() as { n: number }).n;
  await service.renew(service.tokens('ann').refresh);
  t.equal(count(), 4);
  service.database.prepare('UPDATE tokens SET expires_on = 1').run();
  service.tokens('ann');
  t.equal(count(), 2);
});

t.test('somebody who may change something is always left', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage', bob: 'read' });
  const { access: token } = service.tokens('ann');
  const refused = async (method: string, body?: object): Promise<void> => {
    const answer = await service.ask('/v1/users/ann', { method, token, body });
    t.equal(answer.status, 409, answer.text);
    t.match(answer.json.errors[0], { code: 'last-manager' });
  };
  await refused('DELETE');
  await refused('PATCH', { role: 'read' });
  t.equal((await service.ask('/v1/session', { token })).json.role, 'manage');
  t.equal((await service.ask('/v1/users/bob', { method: 'PATCH', token, body: { role: 'manage' } })).status, 200);
  t.equal((await service.ask('/v1/users/ann', { method: 'PATCH', token, body: { role: 'read' } })).status, 200);
  const { access: second } = service.tokens('bob');
  const last = await service.ask('/v1/users/bob', { method: 'DELETE', token: second });
  t.match(last.json.errors[0], { code: 'last-manager' });
  const ran = await service.installation.procorefs(['users', 'remove', 'bob']);
  t.equal(ran.code, 0, 'who has the machine can add another one');
  t.match(ran.stderr, /nobody may change anything now/);
});
