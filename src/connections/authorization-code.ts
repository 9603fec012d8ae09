import { randomBytes } from 'node:crypto';
import * as oauth from 'openid-client';
import { Failure, isFailure } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { oneLine } from '../base/text.js';
import { configure, type Granted, GrantFailure, loginFetch, networkCode, type OAuthClient } from './login-host.js';
import { type CodeProof, redeemCode } from './oauth.js';
import { type RedirectListener, sameText, type Visit } from './redirect-listener.js';

/** For a machine without a browser: the page shows the code instead of sending the browser on. */
const OUT_OF_BAND = 'urn:ietf:wg:oauth:2.0:oob';

/** One way through the sign-in page. */
interface Attempt extends CodeProof {
  /** Where a person signs in. */
  readonly url: string;
}

async function attempt(client: OAuthClient, redirectUri: string, pkce: boolean): Promise<Attempt> {
  const state = randomBytes(24).toString('base64url');
  const verifier = pkce ? new Secret(oauth.randomPKCECodeVerifier()) : undefined;
  const url = oauth.buildAuthorizationUrl(configure(client), {
    response_type: 'code',
    redirect_uri: redirectUri,
    state,
    ...(verifier === undefined
      ? {}
      : {
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier.reveal()),
          code_challenge_method: 'S256',
        }),
  });
  return { redirectUri, state, verifier, url: url.href };
}

/**
 * The way that the server takes: with PKCE, or without when its page refuses that. Looks at the page itself, so that a
 * wrong client id or address is said here and not in a browser.
 * @throws Failure `sign-in-refused`, `unreachable`
 */
async function firstAttempt(client: OAuthClient, redirectUri: string, signal: AbortSignal): Promise<Attempt> {
  const proven = await attempt(client, redirectUri, true);
  const refusal = await refusalOf(proven.url, client, signal);
  if (refusal === undefined) return proven;
  const plain = await attempt(client, redirectUri, false);
  const again = await refusalOf(plain.url, client, signal);
  if (again === undefined) return plain;
  throw new Failure('sign-in-refused', { host: new URL(client.loginUrl).host, name: client.name, why: again });
}

/** What the page for signing in objects to; undefined when it does not. */
async function refusalOf(url: string, client: OAuthClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    const reply = await loginFetch(url, { headers: { accept: 'text/html' }, signal });
    const text = reply.status === 400 || reply.status === 401 ? await reply.text() : '';
    await reply.body?.cancel().catch(() => undefined);
    return reply.status === 400 || reply.status === 401 ? words(text) || `HTTP ${reply.status}` : undefined;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new Failure('unreachable', { host: new URL(client.loginUrl).host, why: networkCode(error) }, error);
  }
}

/** What a page says, without its markup. */
const words = (html: string): string =>
  oneLine(
    html
      .replace(/<(title|script|style)\b[\s\S]*?<\/\1>/gi, ' ')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
    200,
  );

/** How a person is asked to go to the page. */
export type ShowAddress = (url: string) => void;

/**
 * Signs in through a browser that comes back to this machine. What is to be done with it, `complete` does before the
 * browser is answered, with its words.
 * @throws Failure `sign-in-refused`, `sign-in-denied`, `code-refused`, `unreachable`, or the signal's reason
 */
export async function signInByRedirect(
  client: OAuthClient,
  listener: RedirectListener,
  show: ShowAddress,
  signal: AbortSignal,
  complete: (granted: Granted) => Promise<string> = async () =>
    'You are signed in. This window can be closed; procorefs goes on in the terminal.',
): Promise<Granted> {
  let current = await firstAttempt(client, listener.redirectUri, signal);
  show(current.url);
  for (;;) {
    const visit = await listener.visit(signal);
    // Whatever else comes to the port is nobody's business, least of all the end of the sign-in.
    if (!sameText(visit.parameters.get('state') ?? '', current.state)) {
      visit.refuse();
      continue;
    }
    try {
      const granted = await redeemVisit(client, visit, current, signal);
      visit.finish(true, await complete(granted));
      return granted;
    } catch (error) {
      if (current.verifier && objectsToPkce(error)) {
        current = await attempt(client, listener.redirectUri, false);
        visit.sendTo(current.url);
        continue;
      }
      visit.finish(false, isFailure(error) ? error.line : 'The sign-in failed; the log says why.');
      throw error;
    }
  }
}

function redeemVisit(client: OAuthClient, visit: Visit, proof: Attempt, signal: AbortSignal): Promise<Granted> {
  const code = visit.parameters.get('code');
  if (code) return redeemCode(client, new Secret(code), proof, signal);
  const host = new URL(client.loginUrl).host;
  const error = oneLine(visit.parameters.get('error') ?? 'no code', 100);
  if (error === 'access_denied') throw new Failure('sign-in-denied', { host });
  const why = [error, visit.parameters.get('error_description')].filter(Boolean).join(': ');
  throw new GrantFailure('refused', 'sign-in-refused', { host, name: client.name, why }, { error });
}

/**
 * Signs in by a code that a person reads off the page; `ask` waits for it.
 * @throws Failure as `signInByRedirect`
 */
export async function signInByCode(
  client: OAuthClient,
  show: ShowAddress,
  ask: (signal: AbortSignal) => Promise<Secret>,
  signal: AbortSignal,
): Promise<Granted> {
  let current = await firstAttempt(client, OUT_OF_BAND, signal);
  for (;;) {
    show(current.url);
    try {
      return await redeemCode(client, await ask(signal), current, signal);
    } catch (error) {
      if (!current.verifier || !objectsToPkce(error)) throw error;
      current = await attempt(client, OUT_OF_BAND, false);
    }
  }
}

/** RFC 6749, 5.2: `invalid_request` is the answer to a parameter that is not supported. */
const objectsToPkce = (error: unknown): boolean => error instanceof GrantFailure && error.error === 'invalid_request';
