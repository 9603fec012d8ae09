import type { Clock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { ClientCredentialsTokens } from './client-credentials.js';
import type { Connection } from './connection.js';
import type { OAuthClient } from './oauth.js';
import type { Secrets } from './secrets.js';
import type { TokenSource } from './token-source.js';

/** @throws Failure `secret-missing`, `state-unsafe` */
export function oauthClient(connection: Connection, secrets: Secrets): OAuthClient {
  const clientSecret = secrets.clientSecret(connection.id);
  if (!clientSecret) throw new Failure('secret-missing', { name: connection.name });
  const { loginUrl, clientId, name } = connection;
  return { loginUrl, clientId, clientSecret, name };
}

/** The token source of a connection, by its grant. @throws Failure as `oauthClient` */
export function openTokens(connection: Connection, secrets: Secrets, clock: Clock, _log: Log): TokenSource {
  return new ClientCredentialsTokens(oauthClient(connection, secrets), clock);
}
