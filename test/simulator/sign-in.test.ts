import { createHash } from 'node:crypto';
import t from 'tap';
import { simulator } from '../support/simulator.js';
import { SimulatorClient } from '../support/simulator-client.js';

const OUT_OF_BAND = 'urn:ietf:wg:oauth:2.0:oob';

t.test('sign-in', async (t) => {
  const server = await simulator(t, { items: 10, hourly: 100_000, spike: 100_000, tokenTtl: 900 });
  const client = await SimulatorClient.signedIn(server);
  const { login, client_id } = server.ready;

  /** Opens the page, submits its form as a person would; the reply, not followed. */
  async function authorize(redirect: string, more: Record<string, string> = {}, decision = 'allow') {
    const query = new URLSearchParams({ response_type: 'code', client_id, redirect_uri: redirect, ...more });
    const page = await fetch(`${login}/oauth/authorize?${query}`);
    const html = await page.text();
    if (page.status !== 200) return { status: page.status, html, location: null };
    const body = new URLSearchParams({ decision });
    for (const [, name, value] of html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
      body.append(
        name!,
        value!.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)),
      );
    }
    const posted = await fetch(`${login}/oauth/authorize`, { method: 'POST', body, redirect: 'manual' });
    return { status: posted.status, html: await posted.text(), location: posted.headers.get('location') };
  }

  async function codeOf(redirect = 'http://localhost:4321/done', more: Record<string, string> = {}) {
    const { location } = await authorize(redirect, more);
    return new URL(location!).searchParams.get('code')!;
  }

  const redeem = (code: string, more: Record<string, string> = {}) =>
    client.grant({ grant_type: 'authorization_code', code, redirect_uri: 'http://localhost:4321/done', ...more });
  const refresh = (token: string) => client.grant({ grant_type: 'refresh_token', refresh_token: token });

  t.test('a service account gets a token without a refresh token', async (t) => {
    const { body } = await client.grant({ grant_type: 'client_credentials' });
    t.strictSame(Object.keys(body), ['access_token', 'token_type', 'expires_in', 'created_at']);
    t.equal(body.expires_in, 900);
    t.match(await client.grant({ grant_type: 'client_credentials', client_secret: 'wrong' }), {
      status: 401,
      body: { error: 'invalid_client' },
    });
    t.match(await client.grant({ grant_type: 'password' }), { status: 400, body: { error: 'unsupported_grant_type' } });
  });

  t.test('the code comes back with the state, and is good once', async (t) => {
    const { status, location } = await authorize('http://localhost:4321/done', { state: 'a&b"c' });
    t.equal(status, 302);
    const back = new URL(location!);
    t.equal(back.searchParams.get('state'), 'a&b"c');
    const code = back.searchParams.get('code')!;
    t.match(await redeem(code, { redirect_uri: 'http://localhost:1/' }), { body: { error: 'invalid_grant' } });
    t.match(await redeem(code), { body: { error: 'invalid_grant' } }, 'a failed try uses it up');
    const good = await codeOf();
    const { status: ok, body } = await redeem(good);
    t.equal(ok, 200);
    t.ok(body.refresh_token);
    t.match(await redeem(good), { status: 400, body: { error: 'invalid_grant' } });
    client.token = body.access_token;
    t.match((await client.ask('/rest/v1.0/me')).body, { name: 'Alex Admin' });
    const bare = await fetch(`${server.ready.api}/rest/v1.0/me`, {
      headers: { authorization: `Bearer ${client.token}` },
    });
    t.equal(bare.status, 200, 'a person needs no company header there');
  });

  t.test('without an address the code is shown, and refusals are told', async (t) => {
    const { html } = await authorize(OUT_OF_BAND);
    const code = /id="authorization_code">([^<]+)</.exec(html)![1]!;
    t.equal((await redeem(code, { redirect_uri: OUT_OF_BAND })).status, 200);
    t.match((await authorize('http://localhost/', {}, 'deny')).location, /error=access_denied/);
    t.equal((await authorize('https://elsewhere.example/')).status, 400);
    t.equal((await authorize('http://localhost/', { client_id: 'x' })).status, 400);
  });

  t.test('refresh tokens rotate and are good once', async (t) => {
    const first = (await redeem(await codeOf())).body;
    const second = (await refresh(first.refresh_token)).body;
    t.not(second.refresh_token, first.refresh_token);
    t.match(await refresh(first.refresh_token), {
      status: 400,
      body: { error: 'invalid_grant', error_description: 'The refresh token is invalid' },
    });
    t.equal((await refresh(second.refresh_token)).status, 200);
    await server.admin.faults({ 'refresh-reply-lost': { count: 1 } });
    const third = (await redeem(await codeOf())).body;
    await t.rejects(refresh(third.refresh_token));
    t.equal((await refresh(third.refresh_token)).status, 400, 'it was used up');
  });

  t.test('token information, revocation, expiry', async (t) => {
    const { access_token, refresh_token } = (await redeem(await codeOf())).body;
    const info = () => fetch(`${login}/oauth/token/info`, { headers: { authorization: `Bearer ${access_token}` } });
    t.match(await (await info()).json(), { expires_in_seconds: /^(900|89\d)$/, application: { uid: client_id } });
    const revoke = (token: string) =>
      fetch(`${login}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ token }) });
    t.equal((await revoke('unknown')).status, 200);
    t.equal((await revoke(access_token)).status, 200);
    t.equal((await info()).status, 401);
    t.equal((await refresh(refresh_token)).status, 400);
    client.token = (await client.grant({ grant_type: 'client_credentials' })).body.access_token;
    await server.admin.expire({ tokens: true });
    t.match(await client.folders(), { status: 401, body: { errors: { base: ['The access token is invalid'] } } });
  });

  t.test('PKCE is a switch', async (t) => {
    const code_challenge = createHash('sha256').update('verifier').digest('base64url');
    const challenge = { code_challenge, code_challenge_method: 'S256' };
    t.equal((await redeem(await codeOf(undefined, challenge))).status, 200, 'ignored');
    await server.admin.switches({ pkce: 'checked' });
    t.equal((await redeem(await codeOf(undefined, challenge))).status, 400);
    t.equal((await redeem(await codeOf(undefined, challenge), { code_verifier: 'verifier' })).status, 200);
    await server.admin.switches({ pkce: 'refused' });
    t.equal((await authorize('http://localhost/', challenge)).status, 400);
  });
});
