import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, Failure } from '../base/errors.js';
import { refuseUnlessOwn, refuseUnlessPrivate } from '../base/ownership.js';
import { ranSince } from '../base/process.js';

/** Longest path of a Unix socket, unix(7): `sun_path` has 108 bytes including the closing NUL. */
const SOCKET_PATH_BYTES = 107;

const FOLDERS = ['log', 'mounts', 'run', 'projects', 'clients'];
/** Created by the code that fills them. */
const MADE_LATER = ['companies', 'connections', 'jobs', 'secrets'];

/** What a running mount writes down so that other processes can find it. */
export interface MountRecord {
  readonly mountpoint: string;
  readonly source: string;
  readonly pid: number;
  /**
   * Time at which the record was made, milliseconds since the epoch. Distinguishes the process from a later one with
   * the same pid.
   */
  readonly since?: number;
  readonly socket: string;
  readonly log: string;
}

/** Checked by hand: every command reads records, and loading zod would take longer than the command itself. */
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

/**
 * Whether the process of a mount has ended. It may still hold its resources while the kernel keeps one of its threads.
 */
export const isOrphaned = ({ pid, since }: MountRecord): boolean => since !== undefined && !ranSince(pid, since);

/** The folder of all procorefs data: mode 0700, for one user. */
export class StateFolder {
  readonly path: string;

  /**
   * Creates missing folders. Existing ones must belong to this user alone: others could have put jobs, hosts and
   * commands there, which this user, perhaps root, would carry out.
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

  /** Path of a project's data, which may not exist. */
  projectPath(key: string): string {
    return join(this.path, 'projects', key);
  }

  project(key: string): string {
    const folder = this.projectPath(key);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** Whether there is data of a project. */
  hasProject(key: string): boolean {
    return existsSync(join(this.projectPath(key), 'mirror.db'));
  }

  /** Folder of the data of a connection's company; created if missing. */
  company(connection: string): string {
    const folder = join(this.path, 'companies', connection);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** The folder of the jobs, or a folder in it; created if missing. */
  jobs(name = ''): string {
    const folder = join(this.path, 'jobs', name);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  log(name: string): string {
    return join(this.path, 'log', `${name}.log`);
  }

  /**
   * Socket of the daemon of a project or a company. It is in a temporary folder if the path in this folder is too long
   * for a socket.
   */
  socket(key: string): string {
    const here = join(this.path, 'run', `${key}.sock`);
    if (Buffer.byteLength(here) <= SOCKET_PATH_BYTES) return here;
    const folder = join(tmpdir(), `procorefs-${process.getuid?.() ?? 0}-${shortHash(this.path)}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Another user may have created the folder to listen in.
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

/** Undefined if the file is missing or its record is incomplete. @throws Failure `state-unwritable` */
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
