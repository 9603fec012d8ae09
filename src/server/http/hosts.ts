import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { Failure } from '../../base/errors.js';
import { oneLine } from '../../base/text.js';

/**
 * The host names of this service. Another site can point its own name to this service (DNS rebinding), and is then of
 * the same origin; but it cannot change the name that the browser sends. Requests by IP address are accepted, because
 * an attacker's name is never one.
 */
export class ServiceHosts {
  readonly #names: ReadonlySet<string>;

  /** @param more the host that the service listens at, and names from the configuration */
  constructor(more: readonly string[]) {
    const own = hostname();
    this.#names = new Set(['localhost', own, own.split('.')[0]!, ...more].map(plain));
  }

  /** @param host the header of a request @throws Failure `host-unknown` */
  require(host: string | undefined): void {
    const name = plain(/^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host ?? '')?.[1] ?? '');
    if (isIP(name.replace(/^\[|\]$/g, '')) === 0 && !this.#names.has(name))
      throw new Failure('host-unknown', { host: oneLine(host ?? '', 200) });
  }
}

const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '');
