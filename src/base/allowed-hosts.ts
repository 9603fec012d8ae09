import { lookup as resolveName } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import * as z from 'zod';
import { isPublicAddress } from './addresses.js';

/** `HOST`, `HOST:PORT`, `*.DOMAIN`, or an origin (`https://HOST:PORT`); an address of IPv6 in brackets. */
const entry = z
  .string()
  .max(300)
  .regex(
    /^(?:https?:\/\/)?(?:\*\.)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/,
    'no host like "nas.example.com"',
  );

export const allowedHostsSchema = z.array(entry).default([]);

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/** Whether the host name of a URL is that of this machine. */
export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || /^127\./.test(hostname);

/** `allowed_hosts` of the configuration: non-public hosts that users of the HTTP API may have this service contact. */
export class AllowedHosts {
  readonly #entries: readonly string[];

  constructor(entries: readonly string[]) {
    this.#entries = entries.map((one) => one.toLowerCase());
  }

  has(url: URL): boolean {
    const { protocol, hostname, host } = url;
    const port = url.port || (protocol === 'http:' ? '80' : '443');
    return this.#entries.some((one) => {
      const [, scheme, name, wantedPort] = /^(https?:)?(?:\/\/)?(.*?)(?::(\d+))?$/.exec(one)!;
      if (scheme !== undefined && scheme !== protocol) return false;
      if (wantedPort !== undefined && wantedPort !== port) return false;
      return name!.startsWith('*.') ? hostname.endsWith(name!.slice(1)) : name === hostname || name === host;
    });
  }

  /**
   * A lookup function for `net.connect` that drops non-public addresses unless the host is allowed. So a host name
   * cannot lead to a machine that would be refused by its address.
   */
  lookup(url: URL): LookupFunction {
    const isAllowed = this.has(url);
    return (hostname, options, callback) => {
      resolveName(hostname, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, '');
        const usable = found.filter(({ address }) => isAllowed || isPublicAddress(address));
        const [first] = usable;
        if (!first) return callback(Object.assign(new Error(refusal(url)), { code: 'EACCES' }), '');
        if (options.all) callback(null, usable);
        else callback(null, first.address, first.family);
      });
    };
  }

  /** Why a URL is refused; undefined if it is allowed. Only addresses are checked here; names are when resolved. */
  refusal(url: URL): string | undefined {
    const address = bare(url.hostname);
    const isPrivate = isLoopback(url.hostname) || (isIP(address) !== 0 && !isPublicAddress(address));
    return isPrivate && !this.has(url) ? refusal(url) : undefined;
  }
}

const refusal = ({ host }: URL): string => `${host} is an address of this network, and not in "allowed_hosts"`;
