import { lookup } from 'node:dns/promises';
import { join } from 'node:path';
import { AddressList } from '../../base/addresses.js';
import { Failure } from '../../base/errors.js';
import { type AnyConnection, isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { OPTIONS } from '../../targets/options.js';
import { STORAGE_TYPES } from '../../targets/rclone/types.js';
import { type Account, isReader } from '../access/account.js';
import type { Reach } from '../reach.js';

/** A target as a user wants it. */
export interface Wanted extends Pick<TargetConnection, 'platform' | 'uri' | 'username' | 'options'> {
  /** Names and values of secret options. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly hasPassword: boolean;
}

const refused = (what: string): Failure => new Failure('not-permitted-here', { what });

/** Where the machine's own doors are, and those of its host: no place to copy documents to. */
const OWN = new AddressList(['127.0.0.0/8', '0.0.0.0/8', '169.254.0.0/16', '::/127', 'fe80::/10']);

const isShareName = (uri: string): boolean => /^(?:\\\\|\/\/|smb:)/i.test(uri);

/** Folders of this machine, by platform. */
const isFolder = ({ platform, uri }: Pick<Wanted, 'platform' | 'uri'>): boolean =>
  platform === 'fs' || (platform === 'nfs' && !isShareName(uri));

/**
 * What a user of the HTTP API may define. The owner of the service has no limits.
 * @returns the folder that no link may lead out of
 * @throws Failure `not-permitted-here`
 */
export async function requireTarget(reach: Reach, account: Account, wanted: Wanted): Promise<string | undefined> {
  if (account.isOwner) return undefined;
  const known = OPTIONS[wanted.platform];
  if (!known) throw refused(`connections of "${wanted.platform}" are made on the machine alone`);
  for (const [name, value] of [...Object.entries(wanted.options ?? {}), ...Object.entries(wanted.secrets)]) {
    const row = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!row) throw refused(`the option ${name} of "${wanted.platform}" is set on the machine alone`);
    const why = row.check?.(value);
    if (why !== undefined) throw refused(`auth.${name}: ${why}`);
  }
  if (isFolder(wanted)) return reach.rootOf(account, wanted.uri);
  await requirePlace(reach, wanted);
  return undefined;
}

/**
 * Whether a user may look into a folder of a connection: of a target `manage` may, and `read` where the configuration says
 * so of the root that it is in. @throws Failure `role-too-low`
 */
export function requireReadable(reach: Reach, account: Account, connection: AnyConnection, path: string): void {
  if (!isTarget(connection) || !isReader(account)) return;
  const isOpen = isFolder(connection) && reach.isForReaders(join(connection.uri, path));
  if (!isOpen) throw new Failure('role-too-low', { role: 'manage' });
}

/** The service's own keys open only what the configuration names; its own machine is no place of the network. */
async function requirePlace(reach: Reach, wanted: Wanted): Promise<void> {
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
  const name = new URL(`https://${host}`).hostname.replace(/^\[|\]$/g, '');
  const found = await lookup(name, { all: true }).catch(() => []);
  return found.some(({ address }) => OWN.has(address));
}

/** Options that are addresses of servers. */
const ADDRESSES = ['endpoint', 'sas_url'];

/** `HOST` or `HOST:PORT` of each server that a target names. @throws Failure `not-permitted-here` for what names none */
export function hostsOf({ platform, uri, options = {}, secrets }: Omit<Wanted, 'hasPassword' | 'username'>): string[] {
  const port = options.port === undefined ? '' : `:${options.port}`;
  const place = placeOf({ platform, uri });
  const found = ADDRESSES.flatMap((name) => options[name] ?? secrets[name] ?? []);
  return [...found, ...(place === '' ? [] : [`${place}${port}`])].map((text) => {
    const address = `https://${text.replace(/^(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}/i, '')}`;
    if (!URL.canParse(address)) throw refused(`"${text}" names no host`);
    return new URL(address).host;
  });
}

/** The part of a URI that says at which server it is, and for whom; `''` where the platform itself says it. */
function placeOf({ platform, uri }: Pick<Wanted, 'platform' | 'uri'>): string {
  if (STORAGE_TYPES[platform]?.uri === 'path') return '';
  const place = /^(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}[^/\\]*|^(?:[^@/]*@)?(?:\[[^\]]*\]|[^:/]*)(?::\d+(?=$|[:/]))?/i;
  return Object.hasOwn(OPTIONS, platform) ? place.exec(uri)![0] : uri;
}

/** What says where a target's secrets go, and whose they are: while it is the same, saved secrets may be used. */
export function whereOf(target: Pick<TargetConnection, 'platform' | 'uri' | 'username' | 'options'>): string {
  const { platform, username = '', options = {} } = target;
  const rows = OPTIONS[platform] ?? {};
  // An option that is not known may lead anywhere.
  const where = Object.entries(options).filter(([name]) => !Object.hasOwn(rows, name) || rows[name]!.where);
  return JSON.stringify([placeOf(target).toLowerCase(), username, where.sort()]);
}
