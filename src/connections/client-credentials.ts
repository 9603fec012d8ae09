import type { Clock } from '../base/clock.js';
import type { Secret } from '../base/secret.js';
import { clientCredentials, type OAuthClient } from './oauth.js';
import type { TokenSource } from './token-source.js';

/** A token is renewed this long before it ends, ms, or after nine tenths of its life. */
const AHEAD = 60_000;

/** The tokens of a service account: asked for when needed, kept in memory, shared by whoever asks at once. */
export class ClientCredentialsTokens implements TokenSource {
  readonly #client: OAuthClient;
  readonly #clock: Clock;
  #current: { readonly token: Secret; readonly until: number } | undefined;
  #asking: Promise<Secret> | undefined;

  constructor(client: OAuthClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async token(signal?: AbortSignal): Promise<Secret> {
    if (this.#current && this.#clock.monotonic() < this.#current.until) return this.#current.token;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return abortable(this.#asking, signal);
  }

  invalidate(refused: Secret): void {
    if (this.#current?.token === refused) this.#current = undefined;
  }

  async #ask(): Promise<Secret> {
    const { access, expiresIn } = await clientCredentials(this.#client);
    const life = expiresIn * 1000;
    this.#current = { token: access, until: this.#clock.monotonic() + Math.max(life * 0.9, life - AHEAD) };
    return access;
  }
}

/** The shared result, or the signal's reason for the one who stops waiting. */
export function abortable<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return shared;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
