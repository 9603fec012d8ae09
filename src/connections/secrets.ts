import { join } from 'node:path';
import * as z from 'zod';
import type { Clock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { credential, type DefaultClient, defaultClient } from './default-client.js';
import { makePrivateFolder, readPrivateFile, removePrivateFile, writePrivateFile } from './files.js';
import type { Granted } from './login-host.js';

/** Stored result of a sign-in; times in seconds since the epoch by this machine's clock. */
export interface StoredTokens {
  readonly access: Secret;
  readonly renewAt: number;
  readonly expiresAt: number;
  /** Absent while a process exchanges it, and after a failed exchange. */
  readonly refresh: Secret | undefined;
  /** Why there is no refresh token. */
  readonly ended?: string | undefined;
}

/** A token is renewed this many seconds before it expires, or after nine tenths of its lifetime. */
const RENEW_BEFORE_S = 60;

export function storedTokens(granted: Granted, clock: Pick<Clock, 'now'>): StoredTokens {
  const now = clock.now() / 1000;
  const life = granted.expiresIn;
  return {
    access: granted.access,
    renewAt: now + Math.max(life * 0.9, life - RENEW_BEFORE_S),
    expiresAt: now + life,
    refresh: granted.refresh,
    ...(granted.refresh ? {} : { ended: 'the server gave no refresh token' }),
  };
}

const tokenFile = z.object({
  access_token: z.string(),
  renew_at: z.number(),
  expires_at: z.number(),
  refresh_token: z.string().optional(),
  ended: z.string().optional(),
});

/**
 * The secrets of the connections, each in a file of its own (0600) in a folder 0700: `ID.secret`, `ID.tokens`. A client
 * secret may come from a systemd credential `procorefs.ID.secret` or `procorefs.secret` instead (systemd.exec(5)).
 */
export class Secrets {
  readonly #state: string;
  readonly #folder: string;
  readonly #credentials: string | undefined;

  constructor(stateFolder: string, credentials = process.env.CREDENTIALS_DIRECTORY) {
    this.#state = stateFolder;
    this.#folder = join(stateFolder, 'secrets');
    this.#credentials = credentials;
  }

  /** The client secret or password stored for this connection. @throws Failure `state-unsafe` */
  ownSecret(id: string): Secret | undefined {
    const own = readPrivateFile(this.#path(id, 'secret'));
    return own === undefined ? undefined : new Secret(own.trim());
  }

  /** @throws Failure `state-unsafe` */
  clientSecret(id: string): Secret | undefined {
    return this.ownSecret(id) ?? credential(this.#credentials, `procorefs.${id}.secret`) ?? this.sharedClientSecret();
  }

  /** The systemd credential for connections without a secret of their own. */
  sharedClientSecret(): Secret | undefined {
    return credential(this.#credentials, 'procorefs.secret');
  }

  /** @throws Failure `default-client-missing`, `usage`, `state-unsafe` */
  defaultClient(): DefaultClient {
    return defaultClient(this.#state, this.#credentials);
  }

  /** Undefined removes the connection's own secret. */
  setClientSecret(id: string, secret: Secret | undefined): void {
    if (secret === undefined) removePrivateFile(this.#path(id, 'secret'));
    else writePrivateFile(this.#path(id, 'secret'), `${secret.reveal()}\n`);
  }

  /** Undefined: no tokens, or the file cannot be parsed. @throws Failure `state-unsafe` */
  tokens(id: string): StoredTokens | undefined {
    const text = readPrivateFile(this.#path(id, 'tokens'));
    if (text === undefined) return undefined;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return undefined;
    }
    const parsed = tokenFile.safeParse(json);
    if (!parsed.success) return undefined;
    const { access_token, renew_at, expires_at, refresh_token, ended } = parsed.data;
    return {
      access: new Secret(access_token),
      renewAt: renew_at,
      expiresAt: expires_at,
      refresh: refresh_token === undefined ? undefined : new Secret(refresh_token),
      ...(ended === undefined ? {} : { ended }),
    };
  }

  /** Returns after the tokens are on the disk. */
  setTokens(id: string, tokens: StoredTokens): void {
    const content = {
      access_token: tokens.access.reveal(),
      renew_at: tokens.renewAt,
      expires_at: tokens.expiresAt,
      ...(tokens.refresh ? { refresh_token: tokens.refresh.reveal() } : {}),
      ...(tokens.ended === undefined ? {} : { ended: tokens.ended }),
    };
    writePrivateFile(this.#path(id, 'tokens'), `${JSON.stringify(content)}\n`);
  }

  /** Values of a target's secret options. @throws Failure `state-unsafe`, `connection-damaged` */
  options(id: string): Record<string, Secret> {
    const path = this.#path(id, 'options');
    const text = readPrivateFile(path);
    let values: Record<string, string> = {};
    try {
      if (text !== undefined) values = z.record(z.string(), z.string()).parse(JSON.parse(text));
    } catch (error) {
      throw new Failure('connection-damaged', { path }, error);
    }
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, new Secret(value)]));
  }

  setOptions(id: string, options: Readonly<Record<string, Secret>>): void {
    const values = Object.fromEntries(Object.entries(options).map(([name, value]) => [name, value.reveal()]));
    writePrivateFile(this.#path(id, 'options'), `${JSON.stringify(values)}\n`);
  }

  /** Where rclone stores the tokens of an account that a person signed in to. */
  rclonePath(id: string): string {
    return this.#path(id, 'rclone');
  }

  /** Saves rclone's current configuration of a connection; the returned function restores it. */
  keepRclone(id: string): () => void {
    const path = this.rclonePath(id);
    const content = readPrivateFile(path);
    return () => (content === undefined ? removePrivateFile(path) : writePrivateFile(path, content));
  }

  /** The same path, with the file created if it is missing, for rclone to write. */
  preparedRclonePath(id: string): string {
    const path = this.rclonePath(id);
    if (readPrivateFile(path) === undefined) writePrivateFile(path, '');
    return path;
  }

  removeTokens(id: string): void {
    removePrivateFile(this.#path(id, 'tokens'));
  }

  remove(id: string): void {
    for (const kind of ['secret', 'tokens', 'lock', 'options', 'rclone']) removePrivateFile(this.#path(id, kind));
  }

  /**
   * Path of the file whose lock makes one process the holder of the connection's refresh token; its folder is created.
   * @throws Failure `state-unwritable`
   */
  lockPath(id: string): string {
    makePrivateFolder(this.#folder);
    return this.#path(id, 'lock');
  }

  #path(id: string, kind: string): string {
    return join(this.#folder, `${id}.${kind}`);
  }
}
