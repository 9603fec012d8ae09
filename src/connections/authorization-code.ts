import { randomBytes } from 'node:crypto';
import * as oauth from 'openid-client';
import { Failure, isFailure } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { oneLine } from '../base/text.js';
import { configure, type Granted, GrantFailure, loginFetch, networkCode, type OAuthClient } from './login-host.js';
import { type CodeProof, redeemCode } from './oauth.js';
import { type RedirectListener, sameText, type Visit } from './redirect-listener.js';

/** For a machine without a browser: the page shows the code instead of redirecting. */
const OUT_OF_BAND = 'urn:ietf:wg:oauth:2.0:oob';

/** One pass through the sign-in page. */
interface Attempt extends CodeProof {
  /** URL of the sign-in page. */
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
 * The attempt that the server supports: with PKCE, or without if the page reports PKCE as unknown; any other refusal
 * does not lead to an attempt without it. Requests the page itself, so that a wrong client id or address is reported
 * here and not in a browser.
 * @throws Failure `sign-in-refused`, `unreachable`
 */
async function firstAttempt(client: OAuthClient, redirectUri: string, signal: AbortSignal): Promise<Attempt> {
  const proven = await attempt(client, redirectUri, true);
  const refusal = await refusalOf(proven.url, client, signal);
  if (refusal === undefined) return proven;
  const plain = refusal.namesPkce ? await attempt(client, redirectUri, false) : undefined;
  const again = plain === undefined ? refusal : await refusalOf(plain.url, client, signal);
  if (plain !== undefined && again === undefined) return plain;
  throw new Failure('sign-in-refused', { host: new URL(client.loginUrl).host, name: client.name, why: again?.why });
}

interface PageRefusal {
  /** In our own words: a user may have entered any host, and its replies may be confidential. */
  readonly why: string;
  readonly namesPkce: boolean;
}

/** Objections of a login host's page, and our words for them. */
const OBJECTIONS: readonly (readonly [RegExp, string])[] = [
  [/client authentication failed|unknown client/i, 'unknown client id'],
  [/redirect[ _]ur[il]/i, 'the redirect address is not one that the app has'],
  [/response[ _]type/i, 'it does not give codes'],
];

/** The objection on the sign-in page; undefined if there is none. */
async function refusalOf(url: string, client: OAuthClient, signal: AbortSignal): Promise<PageRefusal | undefined> {
  try {
    const reply = await loginFetch(url, { headers: { accept: 'text/html' }, signal });
    const refused = reply.status === 400 || reply.status === 401;
    const text = refused ? words(await reply.text()) : '';
    await reply.body?.cancel().catch(() => undefined);
    if (!refused) return undefined;
    const known = OBJECTIONS.filter(([pattern]) => pattern.test(text)).map(([, said]) => said);
    const type = reply.headers.get('content-type')?.split(';')[0] ?? '';
    const status = `HTTP ${reply.status}${/^[\w.+-]{1,40}\/[\w.+-]{1,40}$/.test(type) ? ` (${type})` : ''}`;
    return { why: [status, ...known].join(', '), namesPkce: PKCE.test(text) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new Failure('unreachable', { host: new URL(client.loginUrl).host, why: networkCode(error) }, error);
  }
}

/** The text of a page without markup. Runs in linear time for any input. */
function words(html: string): string {
  const page = html.slice(0, 64 * 1024);
  const begins = /<(title|script|style)\b/gi;
  let text = '';
  let at = 0;
  for (let found = begins.exec(page); found; found = begins.exec(page)) {
    text += `${page.slice(at, found.index)} `;
    const ends = new RegExp(`</${found[1]}>`, 'gi');
    ends.lastIndex = found.index;
    // An element without an end takes the rest of the page, as in browsers.
    at = ends.exec(page) ? ends.lastIndex : page.length;
    begins.lastIndex = at;
  }
  return `${text}${page.slice(at)}`.replace(/<[^<>]*>/g, ' ').replace(/\s+/g, ' ');
}

/** Shows the URL of the sign-in page to the person. */
export type ShowAddress = (url: string) => void;

/**
 * Signs in through a browser that is redirected to this machine. `complete` runs before the browser gets its reply,
 * which contains its message.
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
    // A request with another `state` is refused and does not end the sign-in.
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
  const why = oneLine([error, visit.parameters.get('error_description')].filter(Boolean).join(': '), 200);
  throw new GrantFailure('refused', 'sign-in-refused', { host, name: client.name, why }, { error });
}

/**
 * Signs in with a code that a person reads off the page; `ask` waits for it.
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

/** Parameters of RFC 7636, as a server names one it does not know. */
const PKCE = /\bcode[ _](?:challenge|verifier)|\bPKCE\b/i;

/** RFC 6749, 5.2: `invalid_request` is the error for an unsupported parameter, and for many other causes. */
const objectsToPkce = (error: unknown): boolean =>
  error instanceof GrantFailure && error.error === 'invalid_request' && PKCE.test(String(error.details.why ?? ''));
