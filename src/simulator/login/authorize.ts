import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../world.js';
import { fields } from './fields.js';

const OUT_OF_BAND = 'urn:ietf:wg:oauth:2.0:oob';
const FIELDS = ['response_type', 'client_id', 'redirect_uri', 'state', 'code_challenge', 'code_challenge_method'];

/**
 * The consent page: GET shows a form with all parameters hidden in it and the buttons `allow` and `deny`
 * (name `decision`); POST of the form redirects with `code` and `state`, or shows the code if there is no redirect URI.
 */
export async function authorizePage(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const posted = request.method === 'POST' ? await fields(request) : {};
  const given: Record<string, string | undefined> = { ...Object.fromEntries(url.searchParams), ...posted };
  const problem = refusal(world, given);
  if (problem) return page(response, 400, `<h1>Error</h1><p>${escaped(problem)}</p>`);
  const redirect = given.redirect_uri!;
  if (request.method !== 'POST') return page(response, 200, form(given));
  if (given.decision !== 'allow') return leave(response, redirect, { error: 'access_denied', state: given.state });
  const challenge =
    world.switches.is('pkce', 'checked') && given.code_challenge !== undefined
      ? { value: given.code_challenge, method: given.code_challenge_method ?? 'plain' }
      : undefined;
  const code = world.accounts.code(given.client_id!, redirect, challenge);
  if (redirect !== OUT_OF_BAND) return leave(response, redirect, { code, state: given.state });
  page(response, 200, `<h1>Authorization code</h1><p><code id="authorization_code">${escaped(code)}</code></p>`);
}

function refusal(world: World, given: Record<string, string | undefined>): string | undefined {
  if (!world.accounts.knows(given.client_id ?? '')) return 'Client authentication failed due to unknown client.';
  if (given.response_type !== 'code') return 'The authorization server does not support this response type.';
  if (world.switches.is('pkce', 'refused') && given.code_challenge !== undefined) {
    return 'The request includes an unsupported parameter: code_challenge.';
  }
  if (given.redirect_uri === OUT_OF_BAND) return undefined;
  const allowed = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/.test(given.redirect_uri ?? '');
  return allowed ? undefined : 'The redirect uri included is not valid.';
}

function form(given: Record<string, string | undefined>): string {
  const inputs = FIELDS.filter((name) => given[name] !== undefined).map(
    (name) => `<input type="hidden" name="${name}" value="${escaped(given[name]!)}">`,
  );
  return `<h1>Authorize the app?</h1><form method="post" action="/oauth/authorize">${inputs.join('')}
<button type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="deny">Deny</button></form>`;
}

function leave(response: ServerResponse, redirect: string, parameters: Record<string, string | undefined>): void {
  if (redirect === OUT_OF_BAND) {
    page(response, 403, '<h1>Denied</h1><p>access_denied</p>');
    return;
  }
  const target = new URL(redirect);
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) target.searchParams.set(name, value);
  response.writeHead(302, { Location: target.href, 'Content-Length': 0 });
  response.end();
}

function page(response: ServerResponse, status: number, content: string): void {
  const html = `<!doctype html><html><head><meta charset="utf-8"><title>Procore</title></head><body>${content}</body></html>`;
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': Buffer.byteLength(html),
    'Cache-Control': 'no-store',
  });
  response.end(html);
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
