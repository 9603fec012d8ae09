import type { Connection } from '../../connections/connection.js';
import { type AnyConnection, Connections, isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { redactedUri } from '../../endpoints/setup.js';
import type { CommandContext } from '../command.js';
import { columns } from '../format.js';

export async function listConnections(context: CommandContext): Promise<void> {
  const all = new Connections(context.state().path).all();
  context.show(all, () =>
    all.length === 0
      ? 'no connections; add one with `procorefs connections add`'
      : columns([
          ['NAME', 'PLATFORM', 'ACCOUNT', 'HOST'],
          ...all.map((one) =>
            isTarget(one)
              ? [one.name, platformOf(one), one.username ?? '–', redactedUri(one.uri)]
              : [one.name, platformOf(one), accountOf(one), new URL(one.apiUrl).host],
          ),
        ]),
  );
}

const platformOf = ({ platform, disabled }: AnyConnection): string => (disabled ? `${platform}, disabled` : platform);

export async function show(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const one = connections.find(context.argument(0));
  if (isTarget(one)) return context.show({ ...one, uri: redactedUri(one.uri) }, () => describeTarget(one));
  const signIn = signInOf(connections, one);
  context.show({ ...one, ...(signIn === undefined ? {} : { signIn }) }, () =>
    columns([
      ['name', one.name],
      ['id', one.id],
      ['api', one.apiUrl],
      ['login', one.loginUrl],
      ['client id', one.defaultClient ? `${one.clientId} (the default client)` : one.clientId],
      ['grant', one.grant],
      ...(signIn === undefined ? [] : [['signed in', signIn]]),
      ['account', accountOf(one)],
      ['company', one.company === undefined ? 'any' : String(one.company)],
      ['project', one.project === undefined ? 'any' : String(one.project)],
      ['calls an hour', one.maxCallsPerHour === undefined ? 'as the server allows' : String(one.maxCallsPerHour)],
      ...(one.disabled ? [['disabled', 'yes: no job runs, nothing is mounted anew']] : []),
      ['added', one.createdAt],
    ]),
  );
}

function describeTarget(one: TargetConnection): string {
  return columns([
    ['name', one.name],
    ['id', one.id],
    ['platform', platformOf(one)],
    ['where', redactedUri(one.uri)],
    ...(one.mountpoint === undefined ? [] : [['on the mount', one.mountpoint]]),
    ...(one.username === undefined ? [] : [['account', one.username]]),
    ...Object.entries(one.options ?? {}).map(([key, value]) => [key, value]),
    ...(one.secretOptions ?? []).map((key) => [key, '[secret]']),
    ['added', one.createdAt],
  ]);
}

/** The state of a user's sign-in according to the stored secrets; undefined for a service account. */
function signInOf({ secrets }: Connections, connection: Connection): string | undefined {
  if (connection.grant !== 'authorization-code') return undefined;
  const tokens = secrets.tokens(connection.id);
  if (tokens?.refresh) return 'yes';
  return `no: ${tokens?.ended ?? 'there are no tokens'}`;
}

const accountOf = ({ account }: Connection): string => account?.name ?? account?.login ?? String(account?.id ?? '–');
