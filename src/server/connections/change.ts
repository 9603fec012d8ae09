import { existsSync } from 'node:fs';
import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import type { Connection } from '../../connections/connection.js';
import { deriveHosts } from '../../connections/hosts.js';
import { type AnyConnection, type Connections, isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { redactedUri } from '../../endpoints/setup.js';
import type { Account } from '../access/account.js';
import { HIDDEN_VALUE } from '../http/wire.js';
import type { ServiceParts } from '../parts.js';
import { SECRET, scalar, testAnyConnection } from './define.js';
import { requireTarget, whereOf } from './limits.js';

/** Keys that a client sends back as it read them; they cannot be changed. */
const told = Object.fromEntries(
  ['id', 'active', 'created_on', 'account', 'company', 'project', 'links'].map((key) => [key, z.unknown().optional()]),
);

export const changedConnection = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  platform: z.strictObject({ id: z.string(), name: z.string().optional() }).optional(),
  auth: z.record(z.string().regex(/^[a-z][a-z0-9_]*$/), scalar).optional(),
  disabled: z.boolean().optional(),
  ...told,
});

interface Change {
  readonly fields: Partial<AnyConnection>;
  readonly secret: string | undefined;
  /** The change must pass the connection test. */
  readonly isToTest: boolean;
}

const refused = (what: string): Failure => new Failure('request-refused-here', { what });

/**
 * Changes connections, one at a time: a concurrent change would take the trial values of another one for the stored
 * ones, and could send a saved password to the trial address.
 */
export class ConnectionChanges {
  readonly #parts: ServiceParts;
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** Failures as `changeConnection`, `no-such-connection`. */
  async change(
    idOrName: string,
    words: z.output<typeof changedConnection>,
    account: Account,
    signal: AbortSignal,
  ): Promise<AnyConnection> {
    const { id } = this.#parts.connections.find(idOrName);
    const work = (): Promise<AnyConnection> => {
      signal.throwIfAborted();
      return changeConnection(this.#parts, this.#parts.connections.find(id), words, account, signal);
    };
    const turn = (this.#last.get(id) ?? Promise.resolve()).then(work);
    const ended = turn.catch(() => undefined);
    this.#last.set(id, ended);
    try {
      return await turn;
    } finally {
      if (this.#last.get(id) === ended) this.#last.delete(id);
    }
  }
}

/**
 * Changes name, place, account or secret, or disables and enables a connection; changes that fail the test are undone.
 * @throws Failure `request-refused-here`, `connection-exists`, and as the test does
 */
async function changeConnection(
  parts: ServiceParts,
  before: AnyConnection,
  { name, platform, auth = {}, disabled }: z.output<typeof changedConnection>,
  account: Account,
  signal: AbortSignal,
): Promise<AnyConnection> {
  const { connections } = parts;
  const { secrets } = connections;
  if (platform && platform.id !== before.platform) throw refused('the platform of a connection cannot be changed');
  const { fields, secret, isToTest } = isTarget(before)
    ? await ofTarget(parts, account, before, auth)
    : ofProcore(before, auth);
  const kept = secrets.ownSecret(before.id);
  const restoreRclone = secrets.keepRclone(before.id);
  const write = (to: AnyConnection): void => {
    if (isTarget(to)) connections.updateTarget(before as TargetConnection, to);
    else connections.update(before.id, to);
  };
  try {
    // The secret first: the old secret must never be used with the new place.
    if (secret !== undefined) secrets.setClientSecret(before.id, new Secret(secret));
    write({ ...before, ...(name === undefined ? {} : { name }), ...fields } as AnyConnection);
    if (isToTest) await testAnyConnection(parts, connections.find(before.id), signal);
  } catch (error) {
    // A connection that was removed meanwhile is not restored.
    if (!connections.all().some(({ id }) => id === before.id)) throw error;
    write({ ...Object.fromEntries(Object.keys(fields).map((key) => [key, undefined])), ...before } as AnyConnection);
    if (secret !== undefined) secrets.setClientSecret(before.id, kept);
    if (isTarget(before)) restoreRclone();
    throw error;
  }
  return disabled === undefined ? connections.find(before.id) : connections.setDisabled(before.id, disabled);
}

/**
 * Fields with their stored value are no change: `PUT` names all. @throws Failure `request-refused-here`,
 * `not-permitted-here`
 */
async function ofTarget(
  { connections, reach }: ServiceParts,
  account: Account,
  before: TargetConnection,
  auth: Readonly<Record<string, string>>,
): Promise<Change> {
  const { uri: given, username: named, password, ...rest } = auth;
  const { platform } = before;
  const uri = given === undefined || given === redactedUri(before.uri) ? before.uri : given;
  const username = named === undefined ? before.username : named || undefined;
  const options: Record<string, string> = { ...before.options };
  for (const [key, value] of Object.entries(rest)) {
    if (key === 'client_secret' || key === 'client_id' || key === 'domain')
      throw refused(`auth.${key} does not fit a connection of ${platform}`);
    if (SECRET.test(key)) throw refused(`auth.${key} is a secret of its own: add the connection anew`);
    if (value === '') delete options[key];
    else if (value !== HIDDEN_VALUE) options[key] = value;
  }
  const isSame = JSON.stringify(options) === JSON.stringify(before.options ?? {});
  const isElsewhere = uri !== before.uri || username !== before.username || !isSame;
  const wanted = { platform, uri, username, options };
  if (isElsewhere && whereOf(wanted) !== whereOf(before)) requireSecrets(connections, before, password);
  const hasKey = before.secretOptions?.includes('key_pem') === true;
  const hasPassword = Boolean(password) || hasKey || connections.secrets.ownSecret(before.id) !== undefined;
  const within = isElsewhere
    ? await requireTarget(reach, account, { ...wanted, options: changesOf(before, options), secrets: {}, hasPassword })
    : before.within;
  return {
    fields: {
      ...(uri === before.uri ? {} : { uri, within }),
      ...(username === before.username ? {} : { username }),
      ...(isSame ? {} : { options }),
    },
    secret: password || undefined,
    isToTest: isElsewhere || Boolean(password),
  };
}

/** Only changed options are checked: the stored ones were set by a user with the permission. */
const changesOf = ({ options = {} }: TargetConnection, after: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(after).filter(([key, value]) => options[key] !== value));

/** Saved secrets are not sent to another place, or with another user name. @throws Failure `request-refused-here` */
function requireSecrets(
  { secrets }: Pick<Connections, 'secrets'>,
  { id, secretOptions = [] }: TargetConnection,
  password: string | undefined,
): void {
  if (secretOptions.length > 0 || existsSync(secrets.rclonePath(id)))
    throw refused('what is saved here does not go to another host or user: add another connection');
  if (secrets.ownSecret(id) && !password) throw refused('another host or user needs auth.password again');
}

/** The fields that identify the data cannot change: the mirror of one server or company does not fit another. */
function ofProcore(before: Connection, auth: Readonly<Record<string, string>>): Change {
  const { client_id, client_secret, domain, api, max_calls_per_hour, ...rest } = auth;
  const present: Readonly<Record<string, string | undefined>> = {
    credentials: before.defaultClient ? 'default' : 'custom',
    grant: before.grant,
    company: before.company === undefined ? undefined : String(before.company),
    project: before.project === undefined ? undefined : String(before.project),
  };
  for (const [key, value] of Object.entries(rest)) {
    if (!Object.hasOwn(present, key)) throw refused(`auth.${key} does not fit a connection of procore`);
    if (value !== present[key]) throw refused(`auth.${key} cannot be changed: add another connection`);
  }
  if (domain || api) {
    const hosts = deriveHosts({ domain: domain || undefined, api: api || undefined });
    const isSame = domain ? hosts.loginUrl === before.loginUrl : hosts.apiUrl === before.apiUrl;
    if (!isSame || (api && hosts.apiUrl !== before.apiUrl))
      throw refused('the server of a connection cannot be changed: add another connection');
  }
  const isNewClient = Boolean(client_id) && client_id !== before.clientId;
  if (isNewClient && before.grant !== 'client-credentials')
    throw refused('the tokens of a person belong to the client: add another connection');
  if (isNewClient && !client_secret) throw refused('another client_id needs its client_secret');
  if (client_secret && before.defaultClient && !isNewClient)
    throw refused('the secret of the default client stands in the configuration');
  const calls = max_calls_per_hour ? Number(max_calls_per_hour) : before.maxCallsPerHour;
  if (calls !== undefined && !(Number.isInteger(calls) && calls > 0))
    throw refused('auth.max_calls_per_hour is no whole number');
  return {
    fields: {
      ...(isNewClient ? { clientId: client_id!, defaultClient: undefined } : {}),
      ...(calls === before.maxCallsPerHour ? {} : { maxCallsPerHour: calls }),
    } as Partial<Connection>,
    secret: client_secret || undefined,
    isToTest: isNewClient || Boolean(client_secret),
  };
}
