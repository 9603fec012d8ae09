import { Failure } from '../../base/errors.js';
import { type AnyConnection, isTarget } from '../../connections/store.js';

/**
 * No platform here lets a connection act as another user. A request to act as the connection's own account is accepted.
 * @throws Failure `no-impersonation`
 */
export function requireOwn(connection: AnyConnection, who: string | undefined): void {
  if (who === undefined) return;
  const own = isTarget(connection)
    ? [connection.username]
    : [connection.account?.login, connection.account?.name, connection.account && String(connection.account.id)];
  if (own.some((name) => name?.toLowerCase() === who.toLowerCase())) return;
  const account = own.find((name) => name !== undefined);
  throw new Failure('no-impersonation', {
    name: connection.name,
    who,
    account: account === undefined ? '' : `, "${account}"`,
  });
}
