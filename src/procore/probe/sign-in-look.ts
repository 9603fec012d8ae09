import type { Agent } from 'undici';
import type { Log } from '../../base/log.js';
import type { OAuthClient } from '../../connections/oauth.js';
import type { Evidence } from './evidence.js';

/**
 * Tests the sign-in host: a grant for a service account (a grant of another kind would use up the refresh token), and
 * one that is refused. Neither counts as an API call.
 */
export async function lookAtSignIn(
  agent: Agent,
  client: OAuthClient,
  evidence: Evidence,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ask = async (fields: Record<string, string>) => {
    const url = new URL('/oauth/token', client.loginUrl);
    const form = { ...fields, client_id: client.clientId, client_secret: client.clientSecret.reveal() };
    const reply = await agent.request({
      origin: url.origin,
      path: url.pathname,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams(form).toString(),
      ...(signal ? { signal } : {}),
    });
    return { status: reply.statusCode, text: await reply.body.text() };
  };
  try {
    if (evidence.grant === 'client-credentials') {
      const { text } = await ask({ grant_type: 'client_credentials' });
      const { token_type: type } = JSON.parse(text) as { token_type?: unknown };
      if (typeof type === 'string') evidence.tokenType = type;
    }
    const code = { grant_type: 'authorization_code', code: 'procorefs-probe' };
    const refused = await ask({ ...code, redirect_uri: 'urn:ietf:wg:oauth:2.0:oob' });
    if (/invalid_grant/.test(refused.text)) evidence.grantErrorStatus = refused.status;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    log.warn({ err: error }, 'the sign-in could not be looked at');
  }
}
