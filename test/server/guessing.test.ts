import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { AddressList } from '#src/base/addresses.js';
import { clientAddress } from '#src/server/access/address.js';
import { SignInThrottle } from '#src/server/access/throttle.js';
import { Turns } from '#src/server/access/turns.js';
import { Guarded, PASSWORD } from '../support/access.js';

const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

t.test('who guesses locks out nobody else', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage', bob: 'read' }, { trusted_proxies: ['127.0.0.1'] });
  const { refresh } = service.tokens('ann');
  const tries = [];
  for (let n = 0; n < 5; n++) tries.push((await service.signIn('ann', 'wrong', from('192.0.2.1'))).status);
  t.strictSame(tries, [400, 400, 400, 400, 400]);
  // Until the lock lasts longer than what follows takes on a busy machine.
  for (let wait = 0; wait < 8; await sleep(50))
    wait = Number((await service.signIn('ann', 'wrong', from('192.0.2.1'))).headers['retry-after'] ?? 0);
  t.equal((await service.signIn('ann', PASSWORD, from('192.0.2.1'))).status, 429, 'with the right password as well');
  t.equal((await service.signIn('bob', PASSWORD, from('192.0.2.1'))).status, 200, 'another name there is not');
  t.equal((await service.signIn('ann', PASSWORD, from('192.0.2.2'))).status, 200, 'nor is the name elsewhere');
  t.equal((await service.renew(refresh, from('192.0.2.1'))).status, 200, 'nor is a renewal');
  const lines = service.installation.log();
  t.match(lines, /"user":"ann","address":"192\.0\.2\.1".*"a sign-in was refused: wrong name or password"/);
  t.match(lines, /"user":"ann","address":"192\.0\.2\.1".*"a sign-in was not tried: the name is locked/);
});

t.test('nobody says from where a request comes but a trusted proxy', async (t) => {
  for (const proxies of [undefined, ['192.0.2.9']]) {
    const service = await Guarded.start(t, { ann: 'manage' }, proxies ? { trusted_proxies: proxies } : {});
    let status = 0;
    for (let n = 0; n < 40 && status !== 429; n++)
      status = (await service.signIn('ann', 'wrong', from(`192.0.2.${n}`))).status;
    t.equal(status, 429, 'another word in a header is not another address');
    t.notMatch(service.installation.log(), /"address":"192/);
  }
  await t.rejects(Guarded.start(t, { ann: 'manage' }, { trusted_proxies: ['10.0.0.0/33'] }), {
    code: 'usage',
    message: /"trusted_proxies" in .* cannot be used/,
  });
});

t.test('a name and a client are throttled together', async (t) => {
  const throttle = new SignInThrottle();
  for (let n = 0; n < 20; n++) throttle.failed('ann', '192.0.2.1', 0);
  t.equal(throttle.wait('ann', '192.0.2.1', 0), 60_000);
  t.equal(throttle.wait('bob', '192.0.2.1', 0), 0);
  t.equal(throttle.wait('ann', '192.0.2.2', 0), 0);
  throttle.succeeded('ann', '192.0.2.1');
  t.equal(throttle.wait('ann', '192.0.2.1', 0), 0);
});

t.test('a try that was never made is no failure, and makes nobody forget one', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' });
  // 51 sign-ins of one client are checked or wait: no more are let in.
  const others = Array.from({ length: 60 }, (_, n) => service.signIn(`other ${n}`, 'wrong'));
  const late = [];
  for (let n = 0; n < 7; n++) late.push((await service.signIn('late', 'wrong')).json.errors[0].code);
  t.strictSame(new Set(late), new Set(['too-many-requests']));
  // They end with the service: each is a password that takes a processor for a while.
  void Promise.allSettled(others);
  const throttle = new SignInThrottle();
  throttle.failed('ann', '192.0.2.1', 0);
  throttle.undone('ann', '192.0.2.1');
  for (let n = 0; n < 4; n++) throttle.failed('ann', '192.0.2.1', 0);
  t.equal(throttle.wait('ann', '192.0.2.1', 0), 0);
  for (let n = 0; n < 3; n++) throttle.failed('ann', '192.0.2.1', 0);
  throttle.undone('ann', '192.0.2.1');
  t.equal(throttle.wait('ann', '192.0.2.1', 0), 4000, 'a wait that there is stays');
});

t.test('a client is what one has of addresses', async (t) => {
  for (const [address, client] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:7::1', '2001:db8:0:7::/64'],
    ['2001:DB8:0:7:ffff::2', '2001:db8:0:7::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    [undefined, ''],
  ] as const)
    t.equal(clientAddress(address), client, String(address));
  const list = new AddressList(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);
  for (const address of ['10.9.9.9', '::ffff:10.1.2.3', '192.0.2.7', '2001:db8::5']) t.ok(list.has(address), address);
  for (const address of ['11.0.0.1', '192.0.2.8', '2001:db9::1', 'x', '', undefined]) t.notOk(list.has(address));
  for (const wrong of ['10.0.0.0/', '10/8', 'proxy', '10.0.0.0/8/8', '::/129', '1.2.3.4/-1'])
    t.throws(() => new AddressList([wrong]), /no address/, wrong);
});

t.test('work is done by turns: one client cannot keep the others waiting', async (t) => {
  const turns = new Turns({ most: 2, mostOfOne: 1, waitingOfOne: 3, waiting: 6 });
  const order: string[] = [];
  const ends: (() => void)[] = [];
  const begin = (client: string) =>
    turns.take(client, 'sign-ins wait', () => {
      order.push(client);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const tick = () => new Promise((resolve) => setImmediate(resolve));
  const all = ['a', 'a', 'a', 'a'].map(begin);
  await tick();
  t.strictSame(order, ['a'], 'one client has one at a time');
  await t.rejects(begin('a'), { code: 'too-many-requests' }, 'and only so many that wait');
  all.push(begin('b'), begin('b'), begin('c'));
  await tick();
  t.strictSame(order, ['a', 'b']);
  for (let n = 0; n < 7; n++) {
    ends[n]!();
    await tick();
  }
  await Promise.all(all);
  t.strictSame(order.slice(0, 5).sort(), ['a', 'a', 'b', 'b', 'c'], 'who asked for four waits for them');
  t.equal(order.length, 7);
});
