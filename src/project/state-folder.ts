import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, Failure } from '../base/errors.js';
import { refuseUnlessOwn, refuseUnlessPrivate } from '../base/ownership.js';
import { ranSince } from '../base/process.js';

/** Longest path of a unix socket, unix(7): `sun_path` has 108 bytes with the closing NUL. */
const SOCKET_PATH_BYTES = 107;

const FOLDERS = ['log', 'mounts', 'run', 'projects', 'clients'];
/** Made by who fills them. */
const MADE_LATER = ['companies', 'connections', 'jobs', 'secrets'];

/** What a running mount leaves for other processes to find it. */
export interface MountRecord {
  readonly mountpoint: string;
  readonly source: string;
  readonly pid: number;
  /** When it was made, milliseconds since the epoch: tells its process from a later one with the same number. */
  readonly since?: number;
  readonly socket: string;
  readonly log: string;
}

/** By hand, not by a schema: every command reads records, and loading zod would take it longer than its work. */
function isRecord(value: unknown): value is MountRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { mountpoint, source, pid, since, socket, log } = value as Record<keyof MountRecord, unknown>;
  return (
    [mountpoint, socket].every((text) => typeof text === 'string' && text !== '') &&
    [source, log].every((text) => typeof text === 'string') &&
    Number.isSafeInteger(pid) &&
    (pid as number) > 0 &&
    (since === undefined || typeof since === 'number')
  );
}

/** Whether the process of a mount is gone; it may still be holding what it had, while the kernel keeps one of its threads. */
export const isOrphaned = ({ pid, since }: MountRecord): boolean => since !== undefined && !ranSince(pid, since);

/** The folder that holds everything procorefs keeps: 0700, for one user. */
export class StateFolder {
  readonly path: string;

  /**
   * Creates what is missing. What is there must be this user's alone: others could have put jobs, hosts and commands
   * there which this user, perhaps root, would carry out.
   * @throws Failure `state-unwritable`, `state-foreign`, `state-unsafe`
   */
  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      refuseUnlessPrivate(path);
      for (const folder of FOLDERS) mkdirSync(join(path, folder), { recursive: true, mode: 0o700 });
      for (const folder of [...FOLDERS, ...MADE_LATER].map((name) => join(path, name)))
        if (existsSync(folder)) refuseUnlessOwn(folder);
      const probe = join(path, 'run', `.probe-${process.pid}`);
      writeFileSync(probe, '', { mode: 0o600 });
      rmSync(probe);
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure('state-unwritable', { path }, error);
    }
  }

  get configFile(): string {
    return join(this.path, 'config.json');
  }

  /** Where what is kept of a project is, if it is. */
  projectPath(key: string): string {
    return join(this.path, 'projects', key);
  }

  project(key: string): string {
    const folder = this.projectPath(key);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** Whether anything is kept of a project. */
  hasProject(key: string): boolean {
    return existsSync(join(this.projectPath(key), 'mirror.db'));
  }

  /** What is kept of the company of a connection. */
  company(connection: string): string {
    const folder = join(this.path, 'companies', connection);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** The folder of the jobs, or one in it. */
  jobs(name = ''): string {
    const folder = join(this.path, 'jobs', name);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  log(name: string): string {
    return join(this.path, 'log', `${name}.log`);
  }

  /** Where the daemon of a project or a company listens; elsewhere where this folder's path is too long for a socket. */
  socket(key: string): string {
    const here = join(this.path, 'run', `${key}.sock`);
    if (Buffer.byteLength(here) <= SOCKET_PATH_BYTES) return here;
    const folder = join(tmpdir(), `procorefs-${process.getuid?.() ?? 0}-${shortHash(this.path)}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Somebody else may have made the folder to listen in.
    refuseUnlessPrivate(folder);
    return join(folder, `${shortHash(key)}.sock`);
  }

  /** @throws Failure `state-unwritable` */
  writeMount(record: MountRecord): void {
    const path = this.#mountFile(record.mountpoint);
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw new Failure('state-unwritable', { path }, error);
    }
  }

  removeMount(mountpoint: string): void {
    rmSync(this.#mountFile(mountpoint), { force: true });
  }

  mount(mountpoint: string): MountRecord | undefined {
    return readRecord(this.#mountFile(mountpoint));
  }

  mounts(): MountRecord[] {
    const folder = join(this.path, 'mounts');
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => readRecord(join(folder, name)) ?? [])
      .sort((a, b) => a.mountpoint.localeCompare(b.mountpoint));
  }

  #mountFile(mountpoint: string): string {
    return join(this.path, 'mounts', `${shortHash(mountpoint)}.json`);
  }
}

export const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** A record that is not whole, or none at all, belongs to no mount. @throws Failure `state-unwritable` */
function readRecord(path: string): MountRecord | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EISDIR') return undefined;
    throw new Failure('state-unwritable', { path }, error);
  }
  try {
    const found: unknown = JSON.parse(text);
    return isRecord(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
