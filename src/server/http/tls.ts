import { readFileSync, statSync, unwatchFile, watchFile } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';

/** A certificate (with its chain) and its key, as PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Milliseconds between two checks of the files. */
const CHECK_INTERVAL_MS = 2000;

/**
 * @throws Failure `tls-unusable` for files that cannot be read or do not match, `state-unsafe` for a key that others
 * can read
 */
export function readTlsPair({ cert, key }: TlsFiles): TlsPair {
  try {
    requirePrivate(key);
    const pair = { cert: readFileSync(cert), key: readFileSync(key) };
    createSecureContext(pair);
    return pair;
  } catch (error) {
    throw error instanceof Failure ? error : new Failure('tls-unusable', { cert, key }, error);
  }
}

/** A key owned by root may be readable for a group made for keys; any other key must be readable by its owner only. */
function requirePrivate(key: string): void {
  const { mode, uid } = statSync(key);
  const open = mode & (uid === 0 ? 0o037 : 0o077);
  if (open !== 0) throw new Failure('state-unsafe', { path: key, mode: (mode & 0o777).toString(8) });
}

/** Loads the files whenever they change; an unusable pair is logged, and the previous one stays in use. */
export class TlsFollower {
  readonly #server: Server;
  readonly #files: TlsFiles;
  readonly #log: Log;
  readonly #look = (): void => this.read();

  constructor(server: Server, files: TlsFiles, log: Log) {
    this.#server = server;
    this.#files = files;
    this.#log = log;
    for (const path of this.#paths) watchFile(path, { interval: CHECK_INTERVAL_MS, persistent: false }, this.#look);
  }

  read(): void {
    try {
      this.#server.setSecureContext(readTlsPair(this.#files));
      this.#log.info({ ...this.#files }, 'the certificate was read again');
    } catch (error) {
      this.#log.error({ error }, 'the certificate stays as it was: what is in its files now cannot be used');
    }
  }

  close(): void {
    for (const path of this.#paths) unwatchFile(path, this.#look);
  }

  get #paths(): readonly string[] {
    return [this.#files.cert, this.#files.key];
  }
}
