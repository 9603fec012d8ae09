import { mix, seedOf } from '../random.js';

/** The target of a signed URL: one version of one project. */
export interface Signed {
  readonly project: number;
  readonly version: number;
}

export type SignatureVerdict =
  | { readonly ok: true; readonly signed: Signed }
  | { readonly ok: false; readonly why: 'bad' | 'expired' };

/**
 * Signs and checks the opaque URLs of versions. A keyed hash is sufficient: a simulator needs no protection against
 * attacks, and a page of the index contains 2,000 URLs.
 */
export class UrlSigner {
  /** Lifetime of a URL in seconds. */
  ttl: number;
  readonly #key: number;
  #generation = 0;
  readonly #ended = new Set<string>();

  constructor(key: number, ttl: number) {
    this.#key = key;
    this.ttl = ttl;
  }

  /** Returns a function that makes path and query of the URL of a version, issued now. */
  paths(project: number): (version: number) => string {
    const issued = `${Date.now()}.${this.#generation}`;
    const time = seedOf(issued);
    const ttl = this.ttl;
    return (version) => {
      const sig = this.#sign(project, version, time, ttl);
      return `/prostore/${project}/${version}?issued=${issued}&expires=${ttl}&sig=${sig}`;
    };
  }

  check(url: URL): SignatureVerdict {
    const [, , project, version] = url.pathname.split('/').map(Number);
    const issued = url.searchParams.get('issued') ?? '';
    const [time, generation] = issued.split('.').map(Number);
    const ttl = Number(url.searchParams.get('expires'));
    const sig = url.searchParams.get('sig');
    if (sig === null || sig !== this.#sign(project!, version!, seedOf(issued), ttl)) return { ok: false, why: 'bad' };
    const expired = generation !== this.#generation || Date.now() >= time! + ttl * 1000 || this.#ended.has(sig);
    return expired ? { ok: false, why: 'expired' } : { ok: true, signed: { project: project!, version: version! } };
  }

  /** Invalidates one URL before it expires. */
  end(url: URL): void {
    if (this.#ended.size > 100_000) this.#ended.clear();
    this.#ended.add(url.searchParams.get('sig') ?? '');
  }

  /** Invalidates all URLs issued so far. */
  endAll(): void {
    this.#generation++;
  }

  #sign(project: number, version: number, issued: number, ttl: number): string {
    const a = mix(mix(this.#key, project), version);
    const b = mix(mix(a, issued), Math.floor(ttl * 10));
    return hex(a ^ b) + hex(mix(b, a));
  }
}

const hex = (n: number): string => (0x1_0000_0000 + (n >>> 0)).toString(16).slice(1);
