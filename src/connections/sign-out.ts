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
 * Writes a new sign-in down, once no refresh of another process is on its way, and ends the one before at the server.
 * Running mounts find the new one by themselves.
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
  // Those of another client are not this one's to end; the server would not mind either way.
  if (before) await revoke(client, tokensOf(before));
}

/** What became of the tokens at the server. `why` is told when they may still be good. */
export interface SignedOut {
  readonly tokens: 'none' | 'revoked' | 'kept';
  readonly why?: string;
}

/** Forgets the connection's tokens, after ending them at the server as far as it answers within some seconds. */
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

/** Ends a connection's sign-in at the server, as far as it answers, and forgets the connection with its secrets. */
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
      // A refresh of another process that never ends must not keep the connection here.
      if (isFailure(error)) throw error;
      done = { tokens: 'kept', why: error instanceof Error ? error.message : String(error) };
    }
  }
  connections.remove(connection.id);
  return done;
}
