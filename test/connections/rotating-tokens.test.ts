import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { lock, tryLock } from '#src/base/lock.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import type { StoredTokens } from '#src/connections/secrets.js';
import { replaceTokens, signOut } from '#src/connections/sign-out.js';
import { Connections } from '#src/connections/store.js';
import { oauthClient, openTokens } from '#src/connections/tokens.js';
import { scratch } from '../support/net-server.js';
import { refreshRace } from '../support/refresh-race.js';
import { type Fate, loginProxy, NOBODY, signedIn } from '../support/sign-in.js';
import { simulator } from '../support/simulator.js';

t.test('the tokens of a person', async (t) => {
  const server = await simulator(t, { items: 1 });
  const proxy = await loginProxy(t, server.ready.login);

  async function signIn(grant: 'authorization-code' | 'client-credentials' = 'authorization-code') {
    const state = scratch(t as never);
    const connections = new Connections(state);
    const connection = connections.add(
      { apiUrl: server.ready.api, loginUrl: proxy.url, clientId: server.ready.client_id, grant },
      new Secret(server.ready.client_secret),
    );
    const { secrets } = connections;
    const client = oauthClient(connection, secrets);
    const login = async () => replaceTokens(connection, client, secrets, await signedIn(client), systemClock);
    if (grant === 'authorization-code') await login();
    const open = () => {
      // Waits are not what is tested.
      const clock = { ...systemClock, sleep: (ms: number) => systemClock.sleep(Math.min(ms, 5)) };
      return openTokens(connection, secrets, clock, silentLog);
    };
    return { state, connections, connection, secrets, login, open, stored: () => secrets.tokens(connection.id)! };
  }
  const good = async (token: Secret): Promise<boolean> =>
    (await fetch(`${server.ready.login}/oauth/token/info`, { headers: { authorization: `Bearer ${token.reveal()}` } }))
      .ok;

  t.test('are renewed when refused, and when their time is nearly over', async (t) => {
    const { secrets, connection, open, stored } = await signIn();
    const tokens = open();
    const first = await tokens.token();
    t.ok((await tokens.token()).equals(first), 'a good one is kept');
    tokens.invalidate(first);
    const second = await tokens.token();
    t.notOk(second.equals(first));
    t.ok(await good(second));
    t.ok(stored().access.equals(second), 'it is on disk');

    secrets.setTokens(connection.id, { ...stored(), renewAt: Date.now() / 1000 - 1 });
    const other = open();
    const before = proxy.presented.length;
    const both = await Promise.all([other.token(), other.token(), other.token()]);
    t.equal(proxy.presented.length, before + 1, 'one refresh for all who ask at once');
    t.equal(new Set(both.map((one) => one.reveal())).size, 1);
    tokens.invalidate(second);
    t.ok((await tokens.token()).equals(both[0]), 'what another holder got is found on disk');
    t.equal(proxy.presented.length, before + 1);
  });

  t.test(
    'the refresh token leaves the disk before it is sent, and the new one is there before it is used',
    async (t) => {
      const { state, connection, open, stored } = await signIn();
      const file = join(state, 'secrets', `${connection.id}.tokens`);
      const used = stored().refresh!.reveal();
      const tokens = open();
      const before = proxy.grants.length;
      tokens.invalidate(await tokens.token());
      const renewing = tokens.token();
      while (proxy.grants.length === before) await systemClock.sleep(1);
      t.notMatch(readFileSync(file, 'utf8'), used);
      const token = await renewing;
      t.match(JSON.parse(readFileSync(file, 'utf8')), { access_token: token.reveal(), refresh_token: /./ });
    },
  );

  t.test('one process at a time holds the refresh token', async (t) => {
    const { secrets, connection, open, stored } = await signIn();
    const tokens = open();
    tokens.invalidate(await tokens.token());
    const held = await lock(secrets.lockPath(connection.id), systemClock);
    const before = proxy.grants.length;
    const renewing = tokens.token();
    await systemClock.sleep(50);
    t.equal(proxy.grants.length, before, 'it waits');
    const other = open();
    other.invalidate(await other.token());
    const kept = stored();
    secrets.setTokens(connection.id, { ...kept, refresh: undefined, ended: 'somebody else has it' });
    const patient = other.token();
    await systemClock.sleep(50);
    secrets.setTokens(connection.id, kept);
    const impatient = new AbortController();
    const given = tokens.token(impatient.signal);
    impatient.abort(new Error('enough'));
    await t.rejects(given, { message: 'enough' });
    held.release();
    await renewing;
    await t.resolves(patient, 'a token that another process holds just now is not lost');
    t.equal(proxy.grants.length, before + 1);
    tryLock(secrets.lockPath(connection.id))!.release();
  });

  const outcomes: { fates: Fate[]; code: string | undefined; kept: boolean; says?: RegExp }[] = [
    { fates: ['lose-reply'], code: 'signed-out', kept: false, says: /reply to a refresh was lost.*connections login/ },
    { fates: ['lose-request'], code: 'signed-out', kept: false, says: /reply to a refresh was lost/ },
    { fates: [{ status: 502 }], code: 'signed-out', kept: false },
    { fates: [{ status: 200, body: '<html>' }], code: 'signed-out', kept: false },
    {
      fates: [{ status: 400, body: '{"error":"invalid_grant"}' }],
      code: 'signed-out',
      kept: false,
      says: /does not accept the refresh token/,
    },
    { fates: [{ status: 401 }], code: 'signed-out', kept: false },
    { fates: [{ status: 401, body: '{"error":"invalid_client"}' }], code: 'sign-in-refused', kept: true },
    { fates: [{ status: 503 }, { status: 503 }, { status: 500 }], code: 'server-error', kept: true },
    { fates: [{ status: 302 }, { status: 429 }, { status: 404 }], code: 'server-error', kept: true },
    { fates: [{ status: 503 }], code: undefined, kept: true },
  ];
  for (const { fates, code, kept, says } of outcomes) {
    t.test(`a refresh that meets ${JSON.stringify(fates)}`, async (t) => {
      const { open, stored, login } = await signIn();
      const tokens = open();
      const refused = await tokens.token();
      tokens.invalidate(refused);
      proxy.fates.push(...fates);
      const before = stored().refresh!.reveal();
      if (code === undefined) t.ok(await good(await tokens.token()));
      else {
        await t.rejects(tokens.token(), { code, ...(says ? { line: says } : {}) });
        t.equal(stored().refresh?.reveal(), kept ? before : undefined);
      }
      if (code === 'signed-out') {
        const sent = proxy.grants.length;
        await t.rejects(tokens.token(), { code, ...(says ? { line: says } : {}) }, 'nothing is tried again');
        const another = open();
        another.invalidate(refused);
        await t.rejects(another.token(), { code, ...(says ? { line: says } : {}) }, 'by another process neither');
        t.equal(proxy.grants.length, sent);
        await login();
        t.ok(await good(await tokens.token()), 'a new sign-in is found without a restart');
      }
      t.equal(new Set(proxy.presented).size, proxy.presented.length, 'no refresh token was used twice');
    });
  }

  t.test('a login host that is not there costs nothing but time', async (t) => {
    const { connections, connection, open, stored } = await signIn();
    connections.update(connection.id, { loginUrl: NOBODY });
    const tokens = openTokens(connections.get(connection.id), connections.secrets, systemClock, silentLog);
    tokens.invalidate(await open().token());
    await t.rejects(tokens.token(), { code: 'unreachable' });
    t.ok(stored().refresh);
  });

  t.test('tokens that the disk did not take are used by nobody until it does', async (t) => {
    const { secrets, connection, open } = await signIn();
    const set = secrets.setTokens.bind(secrets);
    let full = false;
    secrets.setTokens = (id: string, tokens: StoredTokens) => {
      if (full && tokens.refresh) throw new Error('no space left on device');
      set(id, tokens);
    };
    const tokens = open();
    tokens.invalidate(await tokens.token());
    full = true;
    await t.rejects(tokens.token(), /no space left/);
    await t.rejects(tokens.token(), /no space left/);
    full = false;
    await systemClock.sleep(1100);
    const token = await tokens.token();
    t.ok(await good(token));
    t.ok(secrets.tokens(connection.id)!.access.equals(token));
  });

  t.test('signing out ends them at the server, or says that it could not', async (t) => {
    const one = await signIn();
    const { access } = one.stored();
    t.strictSame(await signOut(one.connection, one.secrets, systemClock), { tokens: 'revoked' });
    t.notOk(await good(access));
    t.equal(one.secrets.tokens(one.connection.id), undefined);
    t.strictSame(await signOut(one.connection, one.secrets, systemClock), { tokens: 'none' });

    const two = await signIn();
    const gone = { ...two.connection, loginUrl: NOBODY };
    t.match(await signOut(gone, two.secrets, systemClock), { tokens: 'kept', why: 'ECONNREFUSED' });
    t.equal(two.secrets.tokens(gone.id), undefined);
  });

  t.test('signing in again ends the sign-in before', async (t) => {
    const { login, stored } = await signIn();
    const before = stored();
    await login();
    t.notOk(await good(before.access));
    t.ok(await good(stored().access));
  });

  t.test('a service account: a new secret counts without a restart, a lost reply is asked for again', async (t) => {
    const { connection, secrets, open } = await signIn('client-credentials');
    secrets.setClientSecret(connection.id, new Secret('wrong-for-now'));
    const tokens = open();
    await t.rejects(tokens.token(), { code: 'sign-in-refused' });
    const sent = proxy.grants.length;
    await t.rejects(tokens.token(), { code: 'sign-in-refused' });
    t.equal(proxy.grants.length, sent, 'a refusal is not asked for again at once');
    secrets.setClientSecret(connection.id, new Secret(server.ready.client_secret));
    proxy.fates.push('lose-reply', { status: 503 });
    const token = await tokens.token();
    t.ok(await good(token));
    tokens.invalidate(token);
    t.notOk((await tokens.token()).equals(token));
  });
});

t.test('two processes refresh at the same instant', async (t) => {
  const result = await refreshRace(t, 40, 20_261_124);
  t.strictSame(result.wrong, []);
  t.equal(result.usedTwice, 0);
  t.equal(result.renewed + result.signedOut, 40);
  t.ok(
    result.renewed > 20 && result.signedOut > 2 && result.killed > 0 && result.unavailable > 0,
    'of everything some',
  );
});
