import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, Failure, isFailure } from '../base/errors.js';
import { asCompanyId, asProjectId } from '../base/ids.js';
import type { Secret } from '../base/secret.js';
import { type Connection, connectionSchema } from './connection.js';
import { listPrivateFolder, makePrivateFolder, readPrivateFile, removePrivateFile, writePrivateFile } from './files.js';
import type { ClientHosts } from './hosts.js';
import { Secrets } from './secrets.js';
import { type TargetConnection, targetConnectionSchema } from './target-connection.js';

const ROOT_STATE = '/var/lib/procorefs';
const STATE_HOME = '.local/state';
const PROGRAM = 'procorefs';

/** Fields of a new connection; default names are `Procore`, `Procore 2`, … */
export type NewConnection = Omit<Connection, 'id' | 'name' | 'createdAt' | 'platform'> & {
  readonly name?: string | undefined;
};

/** The fields for what a person entered, and for the app and the hosts that follow from it. */
export const newConnectionOf = (
  {
    hosts,
    clientId,
    isDefault,
  }: { readonly hosts: ClientHosts; readonly clientId: string; readonly isDefault: boolean },
  {
    company,
    project,
    ...given
  }: Pick<NewConnection, 'name' | 'grant' | 'maxCallsPerHour'> & {
    readonly company: number | undefined;
    readonly project: number | undefined;
  },
): NewConnection => ({
  ...given,
  apiUrl: hosts.apiUrl,
  loginUrl: hosts.loginUrl,
  clientId,
  defaultClient: isDefault || undefined,
  company: company === undefined ? undefined : asCompanyId(company),
  project: project === undefined ? undefined : asProjectId(project),
});

export type AnyConnection = Connection | TargetConnection;

export const isTarget = (connection: AnyConnection): connection is TargetConnection =>
  connection.platform !== 'procore';

/** @throws Failure `connection-disabled` */
export function requireEnabled({ name, disabled }: AnyConnection): void {
  if (disabled) throw new Failure('connection-disabled', { name });
}

/**
 * The connections of one state folder: a file (0600) for each in `connections/` (0700), with the secrets in separate
 * files.
 */
export class Connections {
  /** The state folder. */
  readonly state: string;
  readonly #folder: string;
  readonly secrets: Secrets;

  constructor(stateFolder: string) {
    this.state = stateFolder;
    this.#folder = join(stateFolder, 'connections');
    this.secrets = new Secrets(stateFolder);
  }

  /**
   * Stores a new connection with its client secret.
   * @throws Failure `connection-exists`, `usage` for an invalid name, `state-unwritable`
   */
  add(fields: NewConnection, clientSecret: Secret | undefined): Connection {
    const name = this.free(fields.name);
    const connection: Connection = {
      ...fields,
      id: randomBytes(6).toString('hex'),
      name,
      platform: 'procore',
      createdAt: new Date().toISOString(),
    };
    makePrivateFolder(this.state);
    if (clientSecret) this.secrets.setClientSecret(connection.id, clientSecret);
    this.#write(connection);
    return connection;
  }

  /**
   * Stores a new target with its password and the values of its secret options.
   * @throws Failure as `add`
   */
  addTarget(
    fields: Omit<TargetConnection, 'id' | 'name' | 'createdAt' | 'secretOptions'> & { readonly name?: string },
    password: Secret | undefined,
    secretOptions: Readonly<Record<string, Secret>>,
  ): TargetConnection {
    const name = this.free(fields.name, fields.platform);
    const id = randomBytes(6).toString('hex');
    const names = Object.keys(secretOptions);
    const connection: TargetConnection = {
      ...fields,
      id,
      name,
      ...(names.length === 0 ? {} : { secretOptions: names }),
      createdAt: new Date().toISOString(),
    };
    makePrivateFolder(this.state);
    if (password) this.secrets.setClientSecret(id, password);
    if (names.length > 0) this.secrets.setOptions(id, secretOptions);
    this.#write(connection);
    return connection;
  }

  /** The name for a new connection. @throws Failure `connection-exists`, `usage` for an invalid name */
  free(wanted: string | undefined, standard = 'Procore'): string {
    const existing = this.all();
    const name = wanted ?? defaultName(existing, standard);
    checkName(name);
    if (existing.some((one) => one.name === name || one.id === name)) throw new Failure('connection-exists', { name });
    return name;
  }

  /** Procore connections and targets, by name. @throws Failure `state-unsafe` */
  all(): AnyConnection[] {
    return listPrivateFolder(this.#folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => this.#read(file))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** A Procore connection. @throws Failure `no-such-connection`, `state-unsafe`, `connection-is-target` */
  get(nameOrId: string): Connection {
    const found = this.find(nameOrId);
    if (!isTarget(found)) return found;
    throw new Failure('connection-is-target', { name: found.name, platform: found.platform });
  }

  /** A connection of any platform. @throws Failure `no-such-connection`, `state-unsafe` */
  find(nameOrId: string): AnyConnection {
    const all = this.all();
    const found = all.find((one) => one.id === nameOrId) ?? all.find((one) => one.name === nameOrId);
    if (found) return found;
    throw new Failure('no-such-connection', { name: nameOrId, state: this.state, hint: this.#hint(nameOrId, all) });
  }

  /** Replaces fields of a target; its id stays. @throws Failure as `find`, `connection-exists` for a taken name */
  updateTarget(connection: TargetConnection, changes: Partial<Omit<TargetConnection, 'id'>>): TargetConnection {
    this.#requireFree(connection, changes.name);
    const after = { ...connection, ...changes, id: connection.id };
    this.#write(after);
    return after;
  }

  /** Replaces a connection's fields; its id stays. @throws Failure as `get`, `connection-exists` for a taken name */
  update(id: string, changes: Partial<Omit<Connection, 'id'>>): Connection {
    const before = this.get(id);
    this.#requireFree(before, changes.name);
    const after = { ...before, ...changes, id: before.id } as Connection;
    this.#write(after);
    return after;
  }

  /** @throws Failure as `find` */
  setDisabled(nameOrId: string, disabled: boolean): AnyConnection {
    const { disabled: _, ...rest } = this.find(nameOrId);
    const after = (disabled ? { ...rest, disabled: true } : rest) as AnyConnection;
    this.#write(after);
    return after;
  }

  /** Removes a connection and its secrets. @throws Failure as `get` */
  remove(nameOrId: string): AnyConnection {
    const connection = this.find(nameOrId);
    removePrivateFile(this.#path(connection.id));
    this.secrets.remove(connection.id);
    return connection;
  }

  #requireFree(before: AnyConnection, name: string | undefined): void {
    if (name === undefined || name === before.name) return;
    checkName(name);
    if (this.all().some((one) => one.id !== before.id && (one.name === name || one.id === name)))
      throw new Failure('connection-exists', { name });
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  #write(connection: AnyConnection): void {
    writePrivateFile(this.#path(connection.id), `${JSON.stringify(connection, undefined, 2)}\n`);
  }

  #read(file: string): AnyConnection {
    const path = join(this.#folder, file);
    try {
      const json: unknown = JSON.parse(readPrivateFile(path) ?? '');
      const isProcore = (json as { platform?: unknown } | null)?.platform === 'procore';
      return (isProcore ? connectionSchema : targetConnectionSchema).parse(json) as unknown as AnyConnection;
    } catch (error) {
      if (error instanceof Failure || errnoOf(error) === 'EACCES') throw error;
      throw new Failure('connection-damaged', { path }, error);
    }
  }

  /** Advice for a connection that is not found: it may be in another state folder. */
  #hint(name: string, all: readonly AnyConnection[]): string {
    const sealed: string[] = [];
    for (const { folder, how } of otherStates(this.state)) {
      try {
        if (new Connections(folder).all().some((one) => one.name === name || one.id === name))
          return `it exists in ${folder}: ${how}, or name it with --state ${folder}`;
      } catch (error) {
        if (isFailure(error, 'state-unwritable'))
          sealed.push(`perhaps it lies in ${folder}, which this user may not read: ${how}`);
      }
    }
    const known = all.length === 0 ? '' : `there is ${all.map((one) => `"${one.name}"`).join(', ')}; or `;
    return [...sealed, `${known}add it with \`procorefs connections add\``].join('; or ');
  }
}

/** State folders of other users of this machine: root's, and for root those of all users. */
function otherStates(current: string): { readonly folder: string; readonly how: string }[] {
  const sudoUser = process.env.SUDO_USER;
  const own = { folder: join(process.env.XDG_STATE_HOME || join(homedir(), STATE_HOME), PROGRAM), how: 'use that one' };
  const candidates = [{ folder: ROOT_STATE, how: 'run this as root' }, own];
  if (process.getuid?.() === 0)
    for (const { user, home } of homes())
      candidates.push({
        folder: join(home, STATE_HOME, PROGRAM),
        how: user === sudoUser ? 'run this without sudo' : `run this as ${user}`,
      });
  return candidates.filter((one) => one.folder !== current);
}

/** Users of this machine, passwd(5); the first ones are enough for a hint. */
function homes(): { readonly user: string; readonly home: string }[] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .slice(0, 1000)
      .map((line) => line.split(':'))
      .flatMap(([user, , , , , home]) => (user && home?.startsWith('/') ? [{ user, home }] : []));
  } catch {
    return [];
  }
}

function defaultName(existing: readonly AnyConnection[], standard: string): string {
  const taken = new Set(existing.map((one) => one.name));
  for (let n = 1; ; n++) {
    const name = n === 1 ? standard : `${standard} ${n}`;
    if (!taken.has(name)) return name;
  }
}

/** A colon ends the name in `CONNECTION:PROJECT`, and a name is shown on one line. */
function checkName(name: string): void {
  if (name.trim() !== name || name === '' || name.length > 100 || /[:/\p{C}]/u.test(name))
    throw new Failure('usage', {
      what: `"${name}" cannot be a connection's name: 1 to 100 characters without : and /`,
    });
}
