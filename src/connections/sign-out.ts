import type { Clock } from '../base/clock.js';
import { isFailure } from '../base/errors.js';
import { type FileLock, lock } from '../base/lock.js';
import type { Secret } from '../base/secret.js';
import type { Connection } from './connection.js';
import type { Granted, OAuthClient } from './login-host.js';
import { revoke } from './oauth.js';
import { type Secrets, type StoredTokens, storedTokens } from './secrets.js';
import { type AnyConnection, type Connections, isTarget } from './store.js';
import { oauthClient } from './tokens.js';

/** Milliseconds to wait for a refresh of another process. */
const LOCK_LIMIT_MS = 30_000;

/**
 * Stores a new sign-in, once no refresh of another process is in progress, and revokes the previous one at the server.
 * Running mounts notice the new one by themselves.
 */
export async function replaceTokens(
  connection: Connection,
  client: OAuthClient,
  secrets: Secrets,
  granted: Granted,
  clock: Clock,
): Promise<void> {
  const held = await hold(connection, secrets, clock);
  let before: StoredTokens | undefined;
  try {
    before = secrets.tokens(connection.id);
    secrets.setTokens(connection.id, storedTokens(granted, clock));
  } finally {
    held.release();
  }
  // Tokens of another client cannot be revoked by this one; the server ignores the attempt.
  if (before) await revoke(client, tokensOf(before));
}

/** State of the tokens at the server. `why` is set if they may still be valid. */
export interface SignedOut {
  readonly tokens: 'none' | 'revoked' | 'kept';
  readonly why?: string;
}

/** Removes the connection's tokens, after revoking them at the server if it answers within some seconds. */
export async function signOut(connection: Connection, secrets: Secrets, clock: Clock): Promise<SignedOut> {
  if (!secrets.tokens(connection.id)) return { tokens: 'none' };
  const held = await hold(connection, secrets, clock);
  try {
    const stored = secrets.tokens(connection.id);
    secrets.removeTokens(connection.id);
    if (!stored) return { tokens: 'none' };
    const why = await revoke(oauthClient(connection, secrets), tokensOf(stored));
    return why === undefined ? { tokens: 'revoked' } : { tokens: 'kept', why };
  } catch (error) {
    if (!isFailure(error)) throw error;
    return { tokens: 'kept', why: error.message };
  } finally {
    held.release();
  }
}

const hold = (connection: Connection, secrets: Secrets, clock: Clock): Promise<FileLock> =>
  lock(secrets.lockPath(connection.id), clock, AbortSignal.timeout(LOCK_LIMIT_MS));

const tokensOf = ({ access, refresh }: StoredTokens): Secret[] => (refresh ? [refresh, access] : [access]);

/** Revokes a connection's sign-in at the server if it answers, and removes the connection with its secrets. */
export async function forgetConnection(
  connections: Connections,
  connection: AnyConnection,
  clock: Clock,
): Promise<SignedOut> {
  let done: SignedOut = { tokens: 'none' };
  if (!isTarget(connection)) {
    try {
      done = await signOut(connection, connections.secrets, clock);
    } catch (error) {
      // A refresh of another process that never ends must not prevent the removal.
      if (isFailure(error)) throw error;
      done = { tokens: 'kept', why: error instanceof Error ? error.message : String(error) };
    }
  }
  connections.remove(connection.id);
  return done;
}
