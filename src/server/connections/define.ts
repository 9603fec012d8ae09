import * as z from 'zod';
import { limited } from '../../base/abort.js';
import { Failure } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import type { Connection } from '../../connections/connection.js';
import { deriveHosts } from '../../connections/hosts.js';
import { type AnyConnection, type Connections, isTarget, newConnectionOf } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { signsIn } from '../../endpoints/rclone/types.js';
import { defineTarget, hasToken, rulesJson, testTarget } from '../../endpoints/setup.js';
import { testAndRemember, testJson } from '../../procore/setup.js';
import type { Account } from '../access/account.js';
import { AtMost } from '../http/at-most.js';
import type { ServiceParts } from '../parts.js';
import type { Reach } from '../reach.js';
import { requireTarget } from './limits.js';

/** Milliseconds: a longer test counts as failed. */
const TEST_LIMIT_MS = 120_000;
const MOST_TESTS = 8;

const number = z.union([
  z.number().int().positive(),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
]);

export const procoreAuth = z.strictObject({
  credentials: z.enum(['default', 'custom']).optional(),
  client_id: z.string().max(500).optional(),
  client_secret: z.string().max(2000).optional(),
  domain: z.string().max(500).optional(),
  api: z.string().max(500).optional(),
  company: number.optional(),
  project: number.optional(),
  max_calls_per_hour: number.optional(),
});

export const scalar = z.union([z.string().max(20_000), z.number().transform(String), z.boolean().transform(String)]);

export const newConnection = z.strictObject({
  name: z.string().max(100).optional(),
  platform: z.strictObject({ id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/), name: z.string().optional() }),
  auth: z.record(z.string().regex(/^[a-z][a-z0-9_]*$/), scalar).optional(),
  disabled: z.boolean().optional(),
});

/** Options whose values are stored with the secrets. */
export const SECRET = /(^|_)(token|secret|pass|password|key|credentials)($|_)|^sas_url$/;

/** Adds a connection and tests it; a connection that fails the test is not kept. */
export async function addConnection(
  parts: ServiceParts,
  body: z.output<typeof newConnection>,
  account: Account,
  signal: AbortSignal,
): Promise<AnyConnection> {
  const { connections } = parts;
  const name = body.name === '' ? undefined : body.name;
  const auth = body.auth ?? {};
  const connection =
    body.platform.id === 'procore'
      ? addProcore(parts, account, name, auth)
      : await addTarget(parts, account, name, body.platform.id, auth);
  try {
    await testAnyConnection(parts, connection, signal);
    return connections.setDisabled(connection.id, body.disabled === true);
  } catch (error) {
    connections.remove(connection.id);
    throw error;
  }
}

function addProcore(
  { connections, reach }: ServiceParts,
  account: Account,
  name: string | undefined,
  given: Record<string, string>,
): Connection {
  const parsed = procoreAuth.safeParse(given);
  if (!parsed.success)
    throw new Failure('request-refused-here', {
      what: `auth of procore takes ${Object.keys(procoreAuth.shape).join(', ')}`,
    });
  const { company, project, max_calls_per_hour } = parsed.data;
  const app = appOf(connections, reach, account, parsed.data);
  const fields = { name, grant: 'client-credentials', company, project, maxCallsPerHour: max_calls_per_hour } as const;
  return connections.add(newConnectionOf(app, fields), app.ownSecret);
}

interface ClientWords {
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
  readonly domain?: string | undefined;
  readonly api?: string | undefined;
}

/**
 * The OAuth app to sign in with, and the hosts that receive its secret: that of the installation is sent to its own
 * hosts only.
 * @throws Failure `default-client-missing`, `usage`, `not-permitted-here`
 */
export function appOf(connections: Connections, reach: Reach, account: Account, words: ClientWords) {
  const { client_id, client_secret, domain, api } = words;
  const standard = client_id ? undefined : connections.secrets.defaultClient();
  if (!standard && !client_secret) throw new Failure('usage', { what: 'client_secret is missing' });
  const hosts = deriveHosts({
    domain: domain || standard?.domain || undefined,
    api: api || standard?.api || undefined,
  });
  if (standard) {
    const own = deriveHosts({ domain: standard.domain || undefined, api: standard.api || undefined });
    if (!account.isOwner && (hosts.loginUrl !== own.loginUrl || hosts.apiUrl !== own.apiUrl))
      throw new Failure('not-permitted-here', {
        what: "the secret of this installation's app goes to its own hosts alone; name another app by its client_id",
      });
  } else for (const origin of [hosts.loginUrl, hosts.apiUrl]) reach.requireHost(account, origin);
  const ownSecret = standard ? undefined : new Secret(client_secret!);
  return {
    isDefault: standard !== undefined,
    clientId: standard?.clientId ?? client_id!,
    clientSecret: standard?.clientSecret ?? ownSecret!,
    /** To be stored with the connection. */
    ownSecret,
    hosts,
  };
}

async function addTarget(
  { connections, reach }: ServiceParts,
  account: Account,
  name: string | undefined,
  platform: string,
  { uri: given, username, password, ...rest }: Record<string, string>,
): Promise<TargetConnection> {
  const isSecret = ([key]: [string, string]): boolean => SECRET.test(key);
  const entries = Object.entries(rest).filter(([, value]) => value !== '');
  const secrets = Object.fromEntries(entries.filter(isSecret));
  const options = Object.fromEntries(entries.filter((one) => !isSecret(one)));
  const uri = given ?? (platform === 'fs' ? '/' : undefined);
  const wanted = { platform, uri: uri ?? '', username, options, secrets, hasPassword: Boolean(password) };
  const within = await requireTarget(reach, account, wanted);
  const connection = defineTarget(connections, {
    name,
    platform,
    uri,
    username: username || undefined,
    password: password ? new Secret(password) : undefined,
    options,
    secrets: Object.fromEntries(Object.entries(secrets).map(([key, value]) => [key, new Secret(value)])),
    within,
  });
  if (!signsIn(platform) || hasToken(connection)) return connection;
  connections.remove(connection.id);
  throw new Failure('usage', {
    what: `auth.token is missing: run \`rclone authorize ${platform}\` where a browser is`,
  });
}

/** Shared by all services of this process: each test may need a program of its own. */
const testing = new AtMost(MOST_TESTS, 'connections are tested');

/** @throws Failure as the test does, `too-many-requests` */
export async function testAnyConnection(
  parts: ServiceParts,
  connection: AnyConnection,
  signal: AbortSignal,
): Promise<object> {
  const over = (): Failure =>
    new Failure('target-unreachable', { target: connection.name, why: `no answer within ${TEST_LIMIT_MS / 1000} s` });
  const limit = limited(signal, TEST_LIMIT_MS, over, parts.clock);
  try {
    return await testing.run(() => testWithin(parts, connection, limit.signal));
  } finally {
    limit.end();
  }
}

async function testWithin(parts: ServiceParts, connection: AnyConnection, signal: AbortSignal): Promise<object> {
  if (isTarget(connection)) {
    const { seen, rules } = await testTarget(parts.connections, connection, signal);
    return { connection: connection.name, platform: connection.platform, ...seen, rules: rulesJson(rules) };
  }
  const session = parts.session(connection);
  try {
    const options = { class: 'interactive', signal } as const;
    return testJson(connection, await testAndRemember(parts.connections, connection, session.value, options));
  } finally {
    session.release();
  }
}
