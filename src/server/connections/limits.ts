import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { AddressList } from '../../base/addresses.js';
import { isLoopback } from '../../base/allowed-hosts.js';
import { Failure } from '../../base/errors.js';
import { type AnyConnection, isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { isShareName } from '../../endpoints/open.js';
import { OPTIONS } from '../../endpoints/options.js';
import { HOST_URI, STORAGE_TYPES } from '../../endpoints/rclone/types.js';
import { SSH_URI } from '../../endpoints/rsync/uri.js';
import { type Account, isReader } from '../access/account.js';
import type { Reach } from '../reach.js';

/** A target as requested by a user. */
export interface RequestedTarget extends Pick<TargetConnection, 'platform' | 'uri' | 'username' | 'options'> {
  /** Names and values of secret options. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly hasPassword: boolean;
}

const refused = (what: string): Failure => new Failure('not-permitted-here', { what });

/** Loopback and link-local addresses of this machine and its host: refused as targets. */
const OWN = new AddressList(['127.0.0.0/8', '0.0.0.0/8', '169.254.0.0/16', '::/127', 'fe80::/10']);

/** Whether the platform's targets are folders of this machine. */
const isFolder = ({ platform, uri }: Pick<RequestedTarget, 'platform' | 'uri'>): boolean =>
  platform === 'fs' || (platform === 'nfs' && !isShareName(uri));

/**
 * Checks a target that a user of the HTTP API defines. The owner of the service has no limits.
 * @returns the folder that no link may lead out of
 * @throws Failure `not-permitted-here`
 */
export async function requireTarget(
  reach: Reach,
  account: Account,
  wanted: RequestedTarget,
): Promise<string | undefined> {
  if (account.isOwner) return undefined;
  const known = OPTIONS[wanted.platform];
  if (!known) throw refused(`connections of "${wanted.platform}" are made on the machine alone`);
  for (const [name, value] of [...Object.entries(wanted.options ?? {}), ...Object.entries(wanted.secrets)]) {
    const row = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!row) throw refused(`the option ${name} of "${wanted.platform}" is set on the machine alone`);
    const why = row.check?.(value);
    if (why !== undefined) throw refused(`auth.${name}: ${why}`);
  }
  // rclone uses it as a part of the server's host name.
  if (wanted.platform === 'azureblob' && wanted.username !== undefined && !/^[a-z0-9-]*$/i.test(wanted.username))
    throw refused('auth.username is no name of a storage account');
  if (isFolder(wanted)) return reach.rootOf(account, wanted.uri);
  await requirePlace(reach, wanted);
  return undefined;
}

/**
 * Whether a user may list a folder of a connection: `manage` may list all of a target, `read` where the configuration
 * permits it for the root that contains the folder. @throws Failure `role-too-low`
 */
export function requireReadable(reach: Reach, account: Account, connection: AnyConnection, path: string): void {
  if (!isTarget(connection) || !isReader(account)) return;
  const isOpen = isFolder(connection) && reach.isForReaders(join(connection.uri, path));
  if (!isOpen) throw new Failure('role-too-low', { role: 'manage' });
}

/**
 * The service's own keys are used only for hosts in the configuration; the service's own machine is refused as a
 * network host.
 */
async function requirePlace(reach: Reach, wanted: RequestedTarget): Promise<void> {
  const hasKey = wanted.hasPassword || wanted.secrets.key_pem !== undefined;
  const usesOwnKeys = wanted.platform === 'rsync' || (wanted.platform === 'sftp' && !hasKey);
  for (const host of hostsOf(wanted)) {
    if (reach.hosts.has(new URL(`https://${host}`))) continue;
    if (usesOwnKeys)
      throw refused(`the keys of the service are for hosts in "allowed_hosts" alone, and ${host} is not there`);
    if (await isOwnMachine(host)) throw refused(`${host} is this machine, and not in "allowed_hosts"`);
  }
}

async function isOwnMachine(host: string): Promise<boolean> {
  // A trailing dot does not change a host name.
  const name = new URL(`https://${host}`).hostname.replace(/\.$/, '');
  if (isLoopback(name)) return true;
  const found = await lookup(name.replace(/^\[|\]$/g, ''), { all: true }).catch(() => []);
  const interfaces = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const here = new AddressList(interfaces.map(({ address }) => address));
  return found.some(({ address }) => OWN.has(address) || here.has(address));
}

/** Options that contain server addresses. */
const ADDRESSES = ['endpoint', 'sas_url'];

/**
 * `HOST` or `HOST:PORT` of each server that a target names. @throws Failure `not-permitted-here` for a target that
 * names none
 */
export function hostsOf({
  platform,
  uri,
  options = {},
  secrets,
}: Omit<RequestedTarget, 'hasPassword' | 'username'>): string[] {
  const port = options.port === undefined ? '' : `:${options.port}`;
  const place = placeOf({ platform, uri });
  const found = ADDRESSES.flatMap((name) => options[name] ?? secrets[name] ?? []).map((text) => addressOf(text));
  return [...found, ...(place ? [{ ...place, host: `${place.host}${port}` }] : [])].map(({ host }) => {
    // With these characters programs disagree on where the host name ends.
    if (/[?#@\\\s]|:$/.test(host) || !URL.canParse(`https://${host}`)) throw refused(`"${host}" names no host`);
    return new URL(`https://${host}`).host;
  });
}

interface ServerPlace {
  /** The part before the host: scheme and user. */
  readonly before: string;
  /** The host, with the port if there is one. */
  readonly host: string;
}

/** The server of a URI, parsed as the connecting program does; undefined where the platform determines it. */
function placeOf({ platform, uri }: Pick<RequestedTarget, 'platform' | 'uri'>): ServerPlace | undefined {
  const kind = STORAGE_TYPES[platform]?.uri;
  if (kind === 'path') return undefined;
  if (!Object.hasOwn(OPTIONS, platform)) return { before: '', host: uri };
  if (platform !== 'rsync' && kind !== 'host') return addressOf(uri);
  const [, user = '', host = uri, port] = (platform === 'rsync' ? SSH_URI : HOST_URI).exec(uri) ?? [];
  return { before: user, host: platform === 'rsync' || port === undefined ? host : `${host}:${port}` };
}

function addressOf(uri: string): ServerPlace {
  const [, scheme = '', user = '', host = ''] =
    /^((?:[a-z][a-z0-9+.-]*:)?[/\\]{2})?([^/\\]*@)?([^/\\]*)/i.exec(uri) ?? [];
  return { before: `${scheme}${user}`, host };
}

/**
 * Identifies the server and account that receive a target's secrets: saved secrets may be used while it is unchanged.
 */
export function whereOf(target: Pick<TargetConnection, 'platform' | 'uri' | 'username' | 'options'>): string {
  const { platform, username = '', options = {} } = target;
  const rows = OPTIONS[platform] ?? {};
  // An unknown option may change the address.
  const where = Object.entries(options).filter(([name]) => !Object.hasOwn(rows, name) || rows[name]!.where);
  const { before, host } = placeOf(target) ?? { before: '', host: '' };
  return JSON.stringify([before.toLowerCase(), host.toLowerCase(), username, where.sort()]);
}
