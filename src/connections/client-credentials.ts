import { SingleFlight } from '../base/abort.js';
import type { Clock } from '../base/clock.js';
import type { Secret } from '../base/secret.js';
import { type OAuthClient, persistently } from './login-host.js';
import { clientCredentials } from './oauth.js';
import { Setback } from './setback.js';
import type { OwnedTokenSource } from './token-source.js';

/** A token is renewed this long before it expires, ms, or after nine tenths of its lifetime. */
const RENEW_BEFORE_MS = 60_000;

/** The tokens of a service account: requested when needed, kept in memory, shared by concurrent callers. */
export class ClientCredentialsTokens implements OwnedTokenSource {
  readonly #client: () => OAuthClient;
  readonly #clock: Clock;
  readonly #flight = new SingleFlight<'ask', Secret>();
  readonly #setback: Setback;
  #current: { readonly token: Secret; readonly until: number } | undefined;
  /** The secret of the last attempt. */
  #tried: Secret | undefined;

  /** `client` returns the current client: a new client secret takes effect without a restart. */
  constructor(client: () => OAuthClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.#setback = new Setback(clock);
  }

  async token(signal?: AbortSignal): Promise<Secret> {
    if (this.#current && this.#clock.monotonic() < this.#current.until) return this.#current.token;
    return this.#flight.run('ask', () => this.#ask(), signal);
  }

  invalidate(refused: Secret): void {
    if (this.#current?.token === refused) this.#current = undefined;
  }

  /** A grant in progress need not be waited for. */
  async close(): Promise<void> {}

  async #ask(): Promise<Secret> {
    const client = this.#client();
    if (client.clientSecret.equals(this.#tried)) this.#setback.check();
    this.#tried = client.clientSecret;
    const granted = await this.#setback.after(() =>
      persistently(
        this.#clock,
        ({ code, outcome }) => code === 'server-error' || (code === 'unreachable' && outcome === 'unknown'),
        () => clientCredentials(client),
      ),
    );
    const life = granted.expiresIn * 1000;
    this.#current = {
      token: granted.access,
      until: this.#clock.monotonic() + Math.max(life * 0.9, life - RENEW_BEFORE_MS),
    };
    return granted.access;
  }
}
