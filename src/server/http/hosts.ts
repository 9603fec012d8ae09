import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { Failure } from '../../base/errors.js';
import { oneLine } from '../../base/text.js';

/**
 * The names that this service goes by. A page elsewhere can have its own name lead here (DNS rebinding), and is of the
 * same origin then; it cannot change the name that the browser sends, and an address is nobody's name.
 */
export class ServiceHosts {
  readonly #names: ReadonlySet<string>;

  /** @param more the host that it listens at, and names of the configuration */
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
