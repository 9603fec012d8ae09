import { SingleFlight } from '../base/abort.js';
import type { Clock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import { lock } from '../base/lock.js';
import type { Log } from '../base/log.js';
import type { Secret } from '../base/secret.js';
import { GrantFailure, type OAuthClient, persistently } from './login-host.js';
import { refreshToken } from './oauth.js';
import { type Secrets, type StoredTokens, storedTokens } from './secrets.js';
import { Setback } from './setback.js';
import type { OwnedTokenSource } from './token-source.js';
import { uninterrupted } from './uninterrupted.js';

const REPLY_LOST = 'the reply to a refresh was lost, and a refresh token is good once';
const REFUSED = 'the server does not accept the refresh token any more';
const NO_TOKENS = 'nobody is signed in';
const MOST_REFUSED = 8;

export interface RotatingTokensOptions {
  /** Id of the connection. */
  readonly id: string;
  readonly name: string;
  readonly secrets: Secrets;
  /** Returns the current client: a new client secret takes effect without a restart. */
  readonly client: () => OAuthClient;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The tokens of a person's sign-in. A refresh token can be used once and each use returns a new one, so only one
 * process of this host may use it at a time: it takes the connection's lock, reads the token file, removes the refresh
 * token from it, and only then sends it. The new tokens are on disk before they are used. If the process dies in
 * between, the file has no refresh token: the connection is signed out until `connections login` stores another, which
 * is noticed without a restart.
 */
export class RotatingTokens implements OwnedTokenSource {
  readonly #options: RotatingTokensOptions;
  readonly #flight = new SingleFlight<'renew', Secret>();
  readonly #closing = new AbortController();
  readonly #setback: Setback;
  #current: StoredTokens | undefined;
  /** The latest refused tokens: the reply to an older request may arrive late. */
  #refused: readonly Secret[] = [];
  /** Tokens that could not be written to disk: they have not been used yet. */
  #unsaved: StoredTokens | undefined;
  #renewing: Promise<unknown> = Promise.resolve();

  constructor(options: RotatingTokensOptions) {
    this.#options = options;
    this.#setback = new Setback(options.clock);
  }

  async token(signal?: AbortSignal): Promise<Secret> {
    if (this.#current && this.#isGood(this.#current)) return this.#current.access;
    const stored = this.#fromDisk();
    if (stored) return stored.access;
    return this.#flight.run(
      'renew',
      () => {
        const renewing = this.#renew();
        this.#renewing = renewing.catch(() => undefined);
        return renewing;
      },
      signal,
    );
  }

  invalidate(refused: Secret): void {
    this.#refused = [refused, ...this.#refused].slice(0, MOST_REFUSED);
  }

  /** Resolves when no refresh is in progress. */
  async close(): Promise<void> {
    this.#closing.abort(new Failure('interrupted'));
    await this.#renewing;
  }

  #isGood(tokens: StoredTokens): boolean {
    if (this.#refused.some((one) => one.equals(tokens.access))) return false;
    const now = this.#options.clock.now() / 1000;
    // Without a refresh token, the access token is used until it expires.
    return now < (tokens.refresh ? tokens.renewAt : tokens.expiresAt);
  }

  /** Tokens stored by another process, or by a new sign-in. */
  #fromDisk(): StoredTokens | undefined {
    const stored = this.#options.secrets.tokens(this.#options.id);
    if (!stored || !this.#isGood(stored)) return undefined;
    this.#setback.forget();
    this.#current = stored;
    return stored;
  }

  async #renew(): Promise<Secret> {
    const { secrets, id, clock } = this.#options;
    if (!secrets.tokens(id)) throw this.#signedOut(NO_TOKENS);
    this.#setback.check();
    const held = await lock(secrets.lockPath(id), clock, this.#closing.signal);
    try {
      if (this.#unsaved) return this.#keep(this.#unsaved);
      const stored = this.#fromDisk();
      if (stored) return stored.access;
      // Checked only under the lock: without it, another process may hold the refresh token and put it back.
      this.#holdable(secrets.tokens(id));
      const client = this.#options.client();
      return await this.#setback.after(() => this.#refresh(client));
    } finally {
      held.release();
    }
  }

  #refresh(client: OAuthClient): Promise<Secret> {
    return persistently(
      this.#options.clock,
      (failure) => failure.code === 'server-error' && failure.outcome === 'nothing',
      () => uninterrupted(() => this.#exchange(client)),
    );
  }

  /** Exchanges the refresh token; the caller holds the lock. */
  async #exchange(client: OAuthClient): Promise<Secret> {
    const { secrets, id, clock, log, name } = this.#options;
    const held = this.#holdable(secrets.tokens(id));
    const end = (why: string): void => secrets.setTokens(id, { ...held, refresh: undefined, ended: why });
    end(REPLY_LOST);
    try {
      const granted = await refreshToken(client, held.refresh);
      log.info({ connection: name }, 'renewed the sign-in');
      return this.#keep({ ...storedTokens(granted, clock), refresh: granted.refresh ?? held.refresh });
    } catch (error) {
      if (!(error instanceof GrantFailure)) throw error;
      log.warn({ error, outcome: error.outcome, connection: name }, 'the sign-in could not be renewed');
      if (error.outcome === 'nothing') {
        secrets.setTokens(id, held);
        throw error;
      }
      const why = error.outcome === 'refused' ? REFUSED : REPLY_LOST;
      end(why);
      throw this.#signedOut(why);
    }
  }

  /** Tokens are not used before they are on disk. */
  #keep(tokens: StoredTokens): Secret {
    this.#unsaved = tokens;
    this.#options.secrets.setTokens(this.#options.id, tokens);
    this.#unsaved = undefined;
    this.#current = tokens;
    return tokens.access;
  }

  #holdable(tokens: StoredTokens | undefined): StoredTokens & { readonly refresh: Secret } {
    if (!tokens?.refresh) throw this.#signedOut(tokens?.ended ?? NO_TOKENS);
    return { ...tokens, refresh: tokens.refresh };
  }

  #signedOut(why: string): Failure {
    return new Failure('signed-out', { name: this.#options.name, why });
  }
}
