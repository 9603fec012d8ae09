import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { errnoOf } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { readPrivateFile, removePrivateFile, writePrivateFile } from './files.js';

/** What a refresh token's owner keeps; times in seconds since the epoch by this machine's clock. */
export interface StoredTokens {
  readonly access: Secret;
  readonly expiresAt: number;
  readonly refresh: Secret;
}

const tokenFile = z.object({ access_token: z.string(), expires_at: z.number(), refresh_token: z.string() });

/**
 * The secrets of the connections, each in a file of its own (0600) in a folder 0700: `ID.secret`, `ID.tokens`. A client
 * secret may come from a systemd credential `procorefs.ID.secret` or `procorefs.secret` instead (systemd.exec(5)).
 */
export class Secrets {
  readonly #folder: string;
  readonly #credentials: string | undefined;

  constructor(stateFolder: string, credentials = process.env.CREDENTIALS_DIRECTORY) {
    this.#folder = join(stateFolder, 'secrets');
    this.#credentials = credentials;
  }

  /** @throws Failure `state-unsafe` */
  clientSecret(id: string): Secret | undefined {
    const own = readPrivateFile(this.#path(id, 'secret'));
    if (own !== undefined) return new Secret(own.trim());
    return this.#credential(`procorefs.${id}.secret`) ?? this.#credential('procorefs.secret');
  }

  setClientSecret(id: string, secret: Secret): void {
    writePrivateFile(this.#path(id, 'secret'), `${secret.reveal()}\n`);
  }

  /** Undefined: none, or not readable as such. @throws Failure `state-unsafe` */
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
    const { access_token, expires_at, refresh_token } = parsed.data;
    return { access: new Secret(access_token), expiresAt: expires_at, refresh: new Secret(refresh_token) };
  }

  /** On the platter when this returns. */
  setTokens(id: string, tokens: StoredTokens): void {
    const content = {
      access_token: tokens.access.reveal(),
      expires_at: tokens.expiresAt,
      refresh_token: tokens.refresh.reveal(),
    };
    writePrivateFile(this.#path(id, 'tokens'), `${JSON.stringify(content)}\n`);
  }

  removeTokens(id: string): void {
    removePrivateFile(this.#path(id, 'tokens'));
  }

  remove(id: string): void {
    for (const kind of ['secret', 'tokens', 'lock']) removePrivateFile(this.#path(id, kind));
  }

  /** The file whose lock makes one process the holder of the connection's refresh token. */
  lockPath(id: string): string {
    return this.#path(id, 'lock');
  }

  #path(id: string, kind: string): string {
    return join(this.#folder, `${id}.${kind}`);
  }

  #credential(name: string): Secret | undefined {
    if (this.#credentials === undefined) return undefined;
    try {
      return new Secret(readFileSync(join(this.#credentials, name), 'utf8').trim());
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}
