import * as oauth from 'openid-client';
import * as z from 'zod';
import type { Secret } from '../base/secret.js';
import { configure, type Granted, grant, loginFetch, networkCode, type OAuthClient } from './login-host.js';

export type { Granted, OAuthClient } from './login-host.js';

/** Milliseconds for a request whose result is optional. */
const SIDE_TIMEOUT_MS = 10_000;

/** @throws GrantFailure `sign-in-refused`, `unreachable`, `server-error`, `bad-reply` */
export function clientCredentials(client: OAuthClient): Promise<Granted> {
  return grant(client, 'sign-in-refused', (config) => oauth.clientCredentialsGrant(config));
}

/**
 * Exchanges the refresh token, which uses it up unless the failure's outcome is `nothing`. @throws GrantFailure,
 * `signed-out` as well
 */
export function refreshToken(client: OAuthClient, token: Secret): Promise<Granted> {
  return grant(client, 'signed-out', (config) => oauth.refreshTokenGrant(config, token.reveal()));
}

export interface CodeProof {
  readonly redirectUri: string;
  readonly state: string;
  /** PKCE, RFC 7636. */
  readonly verifier: Secret | undefined;
}

/** Exchanges an authorization code, which can be used once. @throws GrantFailure, `code-refused` as well */
export function redeemCode(
  client: OAuthClient,
  code: Secret,
  { redirectUri, state, verifier }: CodeProof,
  signal?: AbortSignal,
): Promise<Granted> {
  const back = new URL(redirectUri);
  back.searchParams.set('code', code.reveal());
  back.searchParams.set('state', state);
  return grant(
    client,
    'code-refused',
    (config) =>
      oauth.authorizationCodeGrant(config, back, {
        expectedState: state,
        ...(verifier === undefined ? {} : { pkceCodeVerifier: verifier.reveal() }),
      }),
    signal,
  );
}

/**
 * Revokes tokens at the server, each with its partner. Returns the reason why they could not be revoked, or undefined
 * on success. Never takes longer than ten seconds.
 */
export async function revoke(client: OAuthClient, tokens: readonly Secret[]): Promise<string | undefined> {
  const config = configure(client, AbortSignal.timeout(SIDE_TIMEOUT_MS));
  for (const token of tokens) {
    try {
      await oauth.tokenRevocation(config, token.reveal());
    } catch (error) {
      return networkCode(error) ?? (error instanceof Error ? error.message : 'it failed');
    }
  }
  return undefined;
}

export interface TokenInfo {
  /** Id of the user that the token belongs to. */
  readonly owner: number | undefined;
  /** Client id of the app that the token was issued to. */
  readonly app: string | undefined;
}

const infoReply = z.looseObject({
  resource_owner_id: z.number().nullish(),
  application: z.looseObject({ uid: z.string().nullish() }).nullish(),
});

/** The login host's information about a token; undefined if it gives none. Counts as no API call. */
export async function tokenInfo(loginUrl: string, access: Secret): Promise<TokenInfo | undefined> {
  try {
    const reply = await loginFetch(new URL('/oauth/token/info', loginUrl), {
      headers: { authorization: `Bearer ${access.reveal()}`, accept: 'application/json' },
      signal: AbortSignal.timeout(SIDE_TIMEOUT_MS),
    });
    if (reply.status !== 200) {
      await reply.body?.cancel();
      return undefined;
    }
    const info = infoReply.parse(await reply.json());
    return { owner: info.resource_owner_id ?? undefined, app: info.application?.uid ?? undefined };
  } catch {
    // Only part of the test's output: the sign-in works without it.
    return undefined;
  }
}
