import { isLoopback } from '../base/allowed-hosts.js';
import { Failure } from '../base/errors.js';

/** Procore's environments; tokens and credentials are not shared between them. */
export const environments = [
  { name: 'production', api: 'https://api.procore.com', login: 'https://login.procore.com' },
  { name: 'development sandbox', api: 'https://sandbox.procore.com', login: 'https://login-sandbox.procore.com' },
  {
    name: 'monthly sandbox',
    api: 'https://api-monthly.procore.com',
    login: 'https://login-sandbox-monthly.procore.com',
  },
  { name: 'federal', api: 'https://api.procoregov.com', login: 'https://login.procoregov.com' },
] as const;

export interface ClientHosts {
  /** Origins, no trailing slash. */
  readonly apiUrl: string;
  readonly loginUrl: string;
  /** Warning for the person before a secret is sent there; undefined for Procore's own hosts. */
  readonly warning: string | undefined;
}

/**
 * The API and login host for what a person entered: any login or API host of an environment, with or without scheme,
 * path and slash (`https://api.procore.com/`), gives both. Without an entry: production.
 * @throws Failure `usage` for an entry that is not an http(s) address
 */
export function deriveHosts(entered: {
  readonly domain?: string | undefined;
  readonly api?: string | undefined;
}): ClientHosts {
  const domain = entered.domain === undefined ? undefined : originOf(entered.domain);
  const api = entered.api === undefined ? undefined : originOf(entered.api);
  const known = environmentOf(domain ?? api ?? environments[0].api);
  if (known && (api === undefined || environmentOf(api) === known))
    return { apiUrl: known.api, loginUrl: known.login, warning: undefined };

  const loginUrl = known && domain !== undefined ? known.login : (domain ?? api)!;
  const apiUrl = api ?? domain!;
  return { apiUrl, loginUrl, warning: warningFor(loginUrl, apiUrl) };
}

function originOf(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  let url: URL | undefined;
  try {
    url = new URL(withScheme.trim());
  } catch {
    // Falls through to the failure.
  }
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new Failure('usage', { what: `"${text}" is not an address like https://login.procore.com` });
  return url.origin;
}

const environmentOf = (origin: string) => {
  const host = new URL(origin).host;
  // Procore's hosts accept https only: a secret sent over http would be readable on the network.
  return environments.find((one) => [one.api, one.login].some((url) => new URL(url).host === host));
};

function warningFor(loginUrl: string, apiUrl: string): string {
  const hosts = [...new Set([loginUrl, apiUrl].map((url) => new URL(url).host))].join(' and ');
  const plain = [loginUrl, apiUrl].some((url) => url.startsWith('http:') && !isLoopback(new URL(url).hostname));
  const known = environmentOf(loginUrl) && environmentOf(apiUrl);
  const what = known
    ? `${hosts} belong to different environments of Procore, which share no credentials`
    : `the client secret goes to ${hosts}, which is not known as Procore's`;
  return plain ? `${what}, and unencrypted` : what;
}
