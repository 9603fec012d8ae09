import type { Secret } from '../base/secret.js';

/** Who gives the access token of one connection. */
export interface TokenSource {
  /**
   * A token that is not known to be expired or refused.
   * @throws Failure `sign-in-refused`, `signed-out`, `unreachable`, `server-error`
   */
  token(signal?: AbortSignal): Promise<Secret>;
  /** The server refused this token: the next `token()` gives another one. */
  invalidate(refused: Secret): void;
}

/** For whoever opened it. */
export interface OwnedTokenSource extends TokenSource {
  /** Resolves when nothing is on its way any more. */
  close(): Promise<void>;
}
