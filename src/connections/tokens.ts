import type { Clock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { ClientCredentialsTokens } from './client-credentials.js';
import type { Connection } from './connection.js';
import type { OAuthClient } from './login-host.js';
import { RotatingTokens } from './rotating-tokens.js';
import type { Secrets } from './secrets.js';
import type { OwnedTokenSource } from './token-source.js';

/** @throws Failure `secret-missing`, `signed-out` when the default client has changed, `state-unsafe` */
export function oauthClient(connection: Connection, secrets: Secrets): OAuthClient {
  const { loginUrl, clientId, name } = connection;
  const standard = connection.defaultClient ? secrets.defaultClient() : undefined;
  if (standard && standard.clientId !== clientId)
    throw new Failure('signed-out', { name, why: "this installation's default client is another one now" });
  const clientSecret = standard?.clientSecret ?? secrets.clientSecret(connection.id);
  if (!clientSecret) throw new Failure('secret-missing', { name });
  return { loginUrl, clientId, clientSecret, name };
}

/**
 * The token source of a connection, by its grant. Opens no file yet: a connection that is signed out can still show
 * stored data.
 */
export function openTokens(connection: Connection, secrets: Secrets, clock: Clock, log: Log): OwnedTokenSource {
  const client = (): OAuthClient => oauthClient(connection, secrets);
  if (connection.grant === 'client-credentials') return new ClientCredentialsTokens(client, clock);
  return new RotatingTokens({ id: connection.id, name: connection.name, secrets, client, clock, log });
}
