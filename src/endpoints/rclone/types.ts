import { isPlatform, type PlatformName } from '../../names/platforms.js';

/** Maps a connection's fields to parameters of one of rclone's storages. */
export interface StorageType {
  /** rclone's name of the type; default: the connection's platform. */
  readonly type?: string;
  readonly platform: PlatformName;
  /** Parameters for the user name and its password. */
  readonly username?: string;
  readonly password?: string;
  /**
   * Meaning of the URI: an address for a parameter, `host:folder`, or a path (for object stores: bucket and folder).
   */
  readonly uri: 'address' | 'host' | 'path';
  /** The parameter that takes the address. */
  readonly address?: string;
  /** Default parameters. If the connection sets the first one to another value, none of them is used. */
  readonly preset?: Readonly<Record<string, string>>;
  /** A file appears under its name only when it is complete. */
  readonly publishes?: true;
  /**
   * A file's own time is kept in metadata that costs one request for each file: the time of storing is used instead.
   */
  readonly storeTime?: true;
  /** The server itself refuses to remove a folder that is not empty. */
  readonly refusesFull?: true;
  /** The server has symbolic links. */
  readonly hasLinks?: true;
  /** rclone passes names through unchanged; for other storages it doubles its quote character. */
  readonly rawNames?: true;
  /** A person signs in with a browser. */
  readonly signsIn?: true;
  /** Error texts may be quoted: the host is fixed, or its key is checked. */
  readonly quotes?: boolean;
}

export const STORAGE_TYPES: Readonly<Record<string, StorageType>> = {
  s3: {
    platform: 's3',
    username: 'access_key_id',
    password: 'secret_access_key',
    uri: 'path',
    // Listings in XML lose control characters, or are truncated at them, unless the server is known to escape them.
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
    // Otherwise a link on the server would be shown as its target.
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

/** Storages of rclone that only wrap other storages, or that are better supported here in another way. */
export const REFUSED_TYPES: Readonly<Record<string, string>> = {
  local: 'use the platform fs',
  alias: 'name the storage itself',
  memory: 'it keeps nothing',
  cache: 'name the storage itself',
  procore: 'it is not a target',
};

/** Options that redirect requests to another host than the storage's own. */
const LEADS_AWAY = /url|endpoint|host|proxy|server/i;

/** The storage type of a connection with these options. */
export function storageType(platform: string, options: readonly string[]): StorageType {
  const type = STORAGE_TYPES[platform] ?? { ...OTHER_TYPE, platform: isPlatform(platform) ? platform : 'rclone' };
  const isLedAway = type.uri === 'path' && options.some((name) => LEADS_AWAY.test(name));
  return { ...type, quotes: type.quotes === true && !isLedAway };
}

export const signsIn = (platform: string): boolean => STORAGE_TYPES[platform]?.signsIn === true;

/**
 * `HOST`, `USER@HOST:PORT`, `HOST:FOLDER`, `sftp://HOST/FOLDER`. Groups: user, host, port, absolute folder, folder
 * relative to the user's home.
 */
export const HOST_URI = /^(?:[a-z]+:\/\/)?(?:([^@/]+)@)?(\[[^\]]+\]|[^:/]+)(?::(\d+))?(?::?(\/.*)|:(.*))?$/;
