import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { Secret } from '#src/base/secret.js';
import { signInByCode, signInByRedirect } from '#src/connections/authorization-code.js';
import { tokenInfo } from '#src/connections/oauth.js';
import { escaped, RedirectListener } from '#src/connections/redirect-listener.js';
import { fakeServer, json } from '../support/net-server.js';
import { browse, decide, loginProxy, NOBODY } from '../support/sign-in.js';
import { simulator } from '../support/simulator.js';

const soon = (): AbortSignal => AbortSignal.timeout(60_000);

t.test('signing in at the simulated Procore', async (t) => {
  const server = await simulator(t, { items: 1 });
  const proxy = await loginProxy(t, server.ready.login);
  const client = {
    loginUrl: proxy.url,
    clientId: server.ready.client_id,
    clientSecret: new Secret(server.ready.client_secret),
    name: 'Site',
  };

  /** Signs in by redirect; `person` does what a person does with the address that is shown. */
  async function byRedirect<T>(person: (url: string, redirectUri: string) => Promise<T>) {
    const listener = await RedirectListener.open(0);
    let went: Promise<T> | undefined;
    try {
      const granted = await signInByRedirect(
        client,
        listener,
        (url) => {
          went = person(url, listener.redirectUri);
          went.catch(() => undefined);
        },
        soon(),
      ).catch((error: unknown) => error as Error);
      return { granted, person: await went };
    } finally {
      await listener.close();
    }
  }

  for (const [pkce, verifies] of [
    ['ignored', true],
    ['checked', true],
    ['refused', false],
  ] as const)
    t.test(`PKCE ${pkce}`, async (t) => {
      await server.admin.switches({ pkce });
      const { granted, person } = await byRedirect((url) => browse(url));
      if (granted instanceof Error) throw granted;
      t.equal(person?.status, 200);
      t.match(await person?.text(), /You are signed in/);
      t.match(person?.headers.get('content-security-policy'), /default-src 'none'/);
      t.ok(granted.refresh && granted.expiresIn > 0);
      const sent = proxy.grants.at(-1)!;
      t.equal(sent.code_verifier !== undefined, verifies);
      t.match(await tokenInfo(proxy.url, granted.access), { app: client.clientId, owner: Number });

      let shown = '';
      const show = (url: string): void => {
        shown = url;
      };
      const ask = async () => new Secret((await decide(shown)).code!);
      t.ok((await signInByCode(client, show, ask, soon())).refresh, 'out of band as well');
      t.equal(new URL(shown).searchParams.get('redirect_uri'), 'urn:ietf:wg:oauth:2.0:oob');
    });

  t.test('a server that objects to PKCE only at the end is asked again without it', async (t) => {
    await server.admin.switches({ pkce: 'ignored' });
    proxy.fates.push({ status: 400, body: '{"error":"invalid_request","error_description":"code_verifier"}' });
    const { granted, person } = await byRedirect((url) => browse(url));
    if (granted instanceof Error) throw granted;
    t.equal(person?.status, 200, 'the browser goes round once more by itself');
    t.ok(granted.refresh);
    t.equal(proxy.grants.at(-1)!.code_verifier, undefined);
  });

  t.test('PKCE stays when something else is refused', async (t) => {
    await server.admin.switches({ pkce: 'ignored' });
    for (const error_description of ['the code was used before', 'redirect_uri', undefined]) {
      proxy.fates.push({ status: 400, body: JSON.stringify({ error: 'invalid_request', error_description }) });
      const before = proxy.grants.length;
      const { granted, person } = await byRedirect((url) => browse(url));
      t.match(granted, { code: 'code-refused' }, 'it is told');
      t.equal(person?.status, 400);
      t.equal(proxy.grants.length, before + 1, 'and not tried with less');
    }
  });

  t.test('PKCE stays when the page refuses something else', async (t) => {
    for (const [body, tries] of [
      ['<p>The redirect uri included is not valid.</p>', 1],
      ['<a href="/login?code_challenge=x">Try again</a>', 1],
      ['<p>unsupported parameter: code_challenge</p>', 2],
    ] as const) {
      const asked: string[] = [];
      const { url } = await fakeServer(t, (request, response) => {
        asked.push(request.url ?? '');
        response.writeHead(400, { 'content-type': 'text/html' });
        response.end(body);
      });
      const ask = async () => new Secret('x');
      await t.rejects(
        signInByCode({ ...client, loginUrl: url }, () => undefined, ask, soon()),
        { code: 'sign-in-refused' },
      );
      t.equal(asked.length, tries, body);
      t.match(String(asked[0]), /code_challenge=/);
    }
  });

  t.test('a request without the state is ignored', async (t) => {
    const { granted, person } = await byRedirect(async (url, redirectUri) => {
      const state = new URL(url).searchParams.get('state')!;
      t.ok(state.length >= 32);
      const forged: number[] = [];
      for (const query of ['?code=x', '?code=x&state=y', `?error=access_denied&state=${state}z`])
        forged.push((await fetch(redirectUri + query)).status);
      forged.push((await fetch(`${redirectUri}favicon.ico`)).status);
      forged.push((await fetch(`${redirectUri}?code=x&state=${state}`, { method: 'POST' })).status);
      return { forged, status: (await browse(url)).status };
    });
    t.notOk(granted instanceof Error);
    t.strictSame(person, { forged: [400, 400, 400, 404, 404], status: 200 });
  });

  t.test('a person who does not allow it', async (t) => {
    const { granted, person } = await byRedirect((url) => browse(url, 'deny'));
    t.match(granted, { code: 'sign-in-denied' });
    t.equal(person?.status, 400);
    t.match(await person?.text(), /not signed in/);
  });

  t.test('what the server says is shown without its markup', async (t) => {
    const { granted, person } = await byRedirect(async (url, redirectUri) => {
      const state = new URL(url).searchParams.get('state')!;
      const query = new URLSearchParams({ error: 'server_error', error_description: '<script>x</script>', state });
      return (await fetch(`${redirectUri}?${query}`)).text();
    });
    t.match(granted, { code: 'sign-in-refused', line: /server_error/ });
    t.notMatch(person, /<script>/);
    t.match(person, escaped('<script>'));
  });

  t.test('a code that is not the right one', async (t) => {
    const ask = async () => new Secret('mistyped');
    await t.rejects(
      signInByCode(client, () => undefined, ask, soon()),
      { code: 'code-refused', line: /can be used once/ },
    );
  });

  t.test('an unknown client is told before any browser opens', async (t) => {
    const unknown = { ...client, clientId: 'nobody' };
    const show = (): void => void t.fail('no address is shown');
    await t.rejects(
      signInByCode(unknown, show, async () => new Secret('x'), soon()),
      {
        code: 'sign-in-refused',
        line: /unknown client/,
      },
    );
    const absent = { ...client, loginUrl: NOBODY };
    await t.rejects(
      signInByCode(absent, show, async () => new Secret('x'), soon()),
      { code: 'unreachable' },
    );
  });

  t.test('the wait ends with the signal', async (t) => {
    const listener = await RedirectListener.open(0);
    const ending = new AbortController();
    const going = signInByRedirect(client, listener, () => ending.abort(new Error('enough')), ending.signal);
    await t.rejects(going, { message: 'enough' });
    await listener.close();
    await t.rejects(fetch(listener.redirectUri), 'and nobody listens any more');
  });
});

t.test('the listener is reached from this machine alone, and its port is no one else’s', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  await t.rejects(RedirectListener.open(port), { code: 'redirect-port-busy', line: new RegExp(String(port)) });
  const listener = await RedirectListener.open(0);
  t.match(listener.redirectUri, /^http:\/\/localhost:\d+\/$/);
  await t.rejects(RedirectListener.open(Number(new URL(listener.redirectUri).port)), { code: 'redirect-port-busy' });
  await listener.close();
});

t.test('tokens never go along a redirect', async (t) => {
  const elsewhere = await fakeServer(t, (_, response) =>
    json(response, 200, { access_token: 'x', token_type: 'bearer' }),
  );
  const login = await fakeServer(t, (_, response) =>
    json(response, 307, {}, { location: `${elsewhere.url}/oauth/token` }),
  );
  const client = { loginUrl: login.url, clientId: 'c', clientSecret: new Secret('client-secret'), name: 'Site' };
  const { clientCredentials, refreshToken: refresh, revoke } = await import('#src/connections/oauth.js');
  await t.rejects(clientCredentials(client), { code: 'server-error' });
  await t.rejects(refresh(client, new Secret('refresh-token')), { code: 'server-error' });
  t.ok(await revoke(client, [new Secret('refresh-token')]));
  t.equal(await tokenInfo(login.url, new Secret('access-token')), undefined);
  t.equal(login.requests.length, 4);
  t.equal(elsewhere.requests.length, 0);
});

t.test('a login host that sends without end is not listened to for ever', async (t) => {
  const login = await fakeServer(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => {
      while (!response.destroyed && response.write(' '.repeat(64 * 1024)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  const client = { loginUrl: login.url, clientId: 'c', clientSecret: new Secret('client-secret'), name: 'Site' };
  const { clientCredentials } = await import('#src/connections/oauth.js');
  await t.rejects(clientCredentials(client));
});
