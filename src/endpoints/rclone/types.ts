import type { PlatformName } from '../../names/platforms.js';

/** How a connection's fields become parameters of one of rclone's storages. */
export interface StorageType {
  /** As rclone calls it; the connection's platform otherwise. */
  readonly type?: string;
  readonly platform: PlatformName;
  /** Parameters for the account and its password. */
  readonly username?: string;
  readonly password?: string;
  /** What the URI is: an address for a parameter, `host:folder`, or a path (for object stores: bucket and folder). */
  readonly uri: 'address' | 'host' | 'path';
  /** The parameter that takes the address. */
  readonly address?: string;
  /** Told unless the connection says otherwise; where it has another value for the first one, none is. */
  readonly preset?: Readonly<Record<string, string>>;
  /** A file is seen under its name only when it is complete. */
  readonly publishes?: true;
  /** A file's own time stands in metadata that costs a request a file: the time of storing is taken instead. */
  readonly storeTime?: true;
  /** The server itself refuses to remove a folder with something in it. */
  readonly refusesFull?: true;
  /** The server has symbolic links. */
  readonly hasLinks?: true;
  /** rclone takes and shows names as the server has them; of other storages it doubles its quote character. */
  readonly rawNames?: true;
  /** A person signs in with a browser. */
  readonly signsIn?: true;
  /** Its errors may be quoted: the host is fixed, or its key is checked. */
  readonly quotes?: boolean;
}

export const STORAGE_TYPES: Readonly<Record<string, StorageType>> = {
  s3: {
    platform: 's3',
    username: 'access_key_id',
    password: 'secret_access_key',
    uri: 'path',
    // Of a server that is not known to escape them, lists in XML lose control characters, or break off at them.
    preset: { provider: 'Other', encoding: 'Slash,InvalidUtf8,Dot,Ctl,Del' },
    publishes: true,
    storeTime: true,
  },
  gcs: {
    type: 'google cloud storage',
    platform: 'gcs',
    uri: 'path',
    publishes: true,
    storeTime: true,
    signsIn: true,
    quotes: true,
  },
  azureblob: {
    platform: 'azureblob',
    username: 'account',
    password: 'key',
    uri: 'path',
    publishes: true,
    storeTime: true,
  },
  b2: { platform: 'b2', username: 'account', password: 'key', uri: 'path', publishes: true, storeTime: true },
  onedrive: { platform: 'onedrive', uri: 'path', publishes: true, signsIn: true, quotes: true },
  sharepoint: {
    type: 'onedrive',
    platform: 'sharepoint',
    uri: 'path',
    preset: { drive_type: 'documentLibrary' },
    publishes: true,
    signsIn: true,
    quotes: true,
  },
  drive: { platform: 'drive', uri: 'path', publishes: true, signsIn: true, quotes: true },
  dropbox: { platform: 'dropbox', uri: 'path', publishes: true, signsIn: true, quotes: true },
  box: { platform: 'box', uri: 'path', publishes: true, signsIn: true, quotes: true },
  webdav: {
    platform: 'webdav',
    username: 'user',
    password: 'pass',
    uri: 'address',
    address: 'url',
    preset: { vendor: 'other' },
    rawNames: true,
  },
  sftp: {
    platform: 'sftp',
    username: 'user',
    password: 'pass',
    uri: 'host',
    // Otherwise a link on the server would be shown as what it leads to.
    preset: { skip_links: 'true' },
    quotes: true,
    hasLinks: true,
    refusesFull: true,
    rawNames: true,
  },
  ftp: { platform: 'rclone', username: 'user', password: 'pass', uri: 'host', refusesFull: true },
};

/** Any other storage of rclone: all its parameters are options. */
export const OTHER_TYPE: StorageType = { platform: 'rclone', username: 'user', password: 'pass', uri: 'path' };

/** Storages of rclone that are no place of their own, or for which there is a better way here. */
export const REFUSED_TYPES: Readonly<Record<string, string>> = {
  local: 'use the platform fs',
  alias: 'name the storage itself',
  memory: 'it keeps nothing',
  cache: 'name the storage itself',
  procore: 'it is not a target',
};

/** Options by which another host than the storage's own would answer. */
const LEADS_AWAY = /url|endpoint|host|proxy|server/i;

/** The type of a connection that has these options. */
export function storageType(platform: string, options: readonly string[]): StorageType {
  const type = STORAGE_TYPES[platform] ?? OTHER_TYPE;
  const isLedAway = type.uri === 'path' && options.some((name) => LEADS_AWAY.test(name));
  return { ...type, quotes: type.quotes === true && !isLedAway };
}

export const signsIn = (platform: string): boolean => STORAGE_TYPES[platform]?.signsIn === true;

/** `HOST`, `USER@HOST:PORT`, `HOST:FOLDER`, `sftp://HOST/FOLDER`: user, host, port, folder from the top, folder of the user. */
export const HOST_URI = /^(?:[a-z]+:\/\/)?(?:([^@/]+)@)?(\[[^\]]+\]|[^:/]+)(?::(\d+))?(?::?(\/.*)|:(.*))?$/;
