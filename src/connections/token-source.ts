import type { Secret } from '../base/secret.js';

/** Source of the access token of one connection. */
export interface TokenSource {
  /**
   * A token that is not known to be expired or refused.
   * @throws Failure `sign-in-refused`, `signed-out`, `unreachable`, `server-error`
   */
  token(signal?: AbortSignal): Promise<Secret>;
  /** The server refused this token: the next `token()` returns another one. */
  invalidate(refused: Secret): void;
}

/** For the owner, which opened it. */
export interface OwnedTokenSource extends TokenSource {
  /** Resolves when no request is in progress. */
  close(): Promise<void>;
}
