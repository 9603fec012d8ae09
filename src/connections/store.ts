import { randomBytes } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { errnoOf, Failure } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { type Connection, connectionSchema } from './connection.js';
import { listFolder, makePrivateFolder, readPrivateFile, removePrivateFile, writePrivateFile } from './files.js';
import { Secrets } from './secrets.js';

/** What a new connection is made of; its name is `Procore`, `Procore 2`, … unless told. */
export type NewConnection = Omit<Connection, 'id' | 'name' | 'createdAt' | 'platform'> & { readonly name?: string };

/** The connections of one state folder: a file (0600) each in `connections/` (0700), the secrets apart. */
export class Connections {
  readonly #state: string;
  readonly #folder: string;
  readonly secrets: Secrets;

  constructor(stateFolder: string) {
    this.#state = stateFolder;
    this.#folder = join(stateFolder, 'connections');
    this.secrets = new Secrets(stateFolder);
  }

  /**
   * Writes a new connection down, with its client secret.
   * @throws Failure `connection-exists`, `usage` for a name that cannot be one, `state-unwritable`
   */
  add(fields: NewConnection, clientSecret: Secret | undefined): Connection {
    const existing = this.list();
    const name = fields.name ?? defaultName(existing);
    checkName(name);
    if (existing.some((one) => one.name === name || one.id === name)) throw new Failure('connection-exists', { name });
    const connection: Connection = {
      ...fields,
      id: randomBytes(6).toString('hex'),
      name,
      platform: 'procore',
      createdAt: new Date().toISOString(),
    };
    makePrivateFolder(this.#state);
    if (clientSecret) this.secrets.setClientSecret(connection.id, clientSecret);
    this.#write(connection);
    return connection;
  }

  /** By name. @throws Failure `state-unsafe` */
  list(): Connection[] {
    return listFolder(this.#folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => this.#read(file))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** @throws Failure `no-such-connection`, `state-unsafe` */
  get(nameOrId: string): Connection {
    const all = this.list();
    const found = all.find((one) => one.id === nameOrId) ?? all.find((one) => one.name === nameOrId);
    if (found) return found;
    throw new Failure('no-such-connection', { name: nameOrId, state: this.#state, hint: this.#hint(nameOrId, all) });
  }

  /** Replaces a connection's fields; its id stays. @throws Failure as `get`, `connection-exists` for a taken name */
  update(id: string, changes: Partial<Omit<Connection, 'id'>>): Connection {
    const before = this.get(id);
    if (changes.name !== undefined && changes.name !== before.name) {
      checkName(changes.name);
      if (this.list().some((one) => one.name === changes.name || one.id === changes.name))
        throw new Failure('connection-exists', { name: changes.name });
    }
    const after = { ...before, ...changes, id: before.id } as Connection;
    this.#write(after);
    return after;
  }

  /** Forgets a connection and its secrets. @throws Failure as `get` */
  remove(nameOrId: string): Connection {
    const connection = this.get(nameOrId);
    removePrivateFile(this.#path(connection.id));
    this.secrets.remove(connection.id);
    return connection;
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  #write(connection: Connection): void {
    writePrivateFile(this.#path(connection.id), `${JSON.stringify(connection, undefined, 2)}\n`);
  }

  #read(file: string): Connection {
    const path = join(this.#folder, file);
    try {
      return connectionSchema.parse(JSON.parse(readPrivateFile(path) ?? '')) as unknown as Connection;
    } catch (error) {
      if (error instanceof Failure || errnoOf(error) === 'EACCES') throw error;
      throw new Failure('connection-damaged', { path }, error);
    }
  }

  /** What to do about a missing connection: perhaps it lies in another state folder. */
  #hint(name: string, all: readonly Connection[]): string {
    for (const { folder, option } of otherStates(this.#state)) {
      try {
        if (new Connections(folder).list().some((one) => one.name === name || one.id === name))
          return `it exists in ${folder}: ${option}`;
      } catch {
        // Another user's folder: what cannot be read cannot be hinted at.
      }
    }
    if (all.length === 0) return 'add it with `procorefs connections add`';
    return `there is ${all.map((one) => `"${one.name}"`).join(', ')}; or add it with \`procorefs connections add\``;
  }
}

/** Where connections lie for other users of this machine. */
function otherStates(current: string): { folder: string; option: string }[] {
  const own = process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state');
  const sudoUser = process.env.SUDO_USER;
  const candidates = [
    { folder: '/var/lib/procorefs', option: 'run this as root, or name it with --state /var/lib/procorefs' },
    { folder: join(own, 'procorefs'), option: `name it with --state ${join(own, 'procorefs')}` },
    ...(sudoUser && sudoUser !== userInfo().username && /^[\w.-]+$/.test(sudoUser)
      ? [sudoState(join('/home', sudoUser, '.local/state/procorefs'))]
      : []),
  ];
  return candidates.filter((one) => one.folder !== current);
}

const sudoState = (folder: string) => ({ folder, option: `run this without sudo, or name it with --state ${folder}` });

function defaultName(existing: readonly Connection[]): string {
  const taken = new Set(existing.map((one) => one.name));
  for (let n = 1; ; n++) {
    const name = n === 1 ? 'Procore' : `Procore ${n}`;
    if (!taken.has(name)) return name;
  }
}

/** A colon ends the name in `CONNECTION:PROJECT`, and a name is shown in one line. */
function checkName(name: string): void {
  if (name.trim() !== name || name === '' || name.length > 100 || /[:/\p{C}]/u.test(name))
    throw new Failure('usage', {
      what: `"${name}" cannot be a connection's name: 1 to 100 characters without : and /`,
    });
}
