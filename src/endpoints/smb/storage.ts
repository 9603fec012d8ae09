import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { PassThrough } from 'node:stream';
import { Failure, isFailure } from '../../base/errors.js';
import { WINDOWS_CHARACTERS } from '../../names/platform-files.js';
import { launch } from '../launch.js';
import { nameOf } from '../paths.js';
import type { RemoteStorage, StagedContent, StorageEntry } from '../remote/storage.js';
import { rulesOf } from '../rules.js';
import { smbFailure } from './failures.js';
import { SmbSession, smbEnvironment } from './session.js';

/** An unknown command: smbclient's error message for it marks the end of the previous command's output. */
const END = `end_${randomBytes(8).toString('hex')}`;

/** An SMB share that is not mounted, accessed through the `smbclient` program. */
export class SmbStorage implements RemoteStorage {
  // `ls` shows whole seconds; a file is replaced by a rename.
  readonly rules = rulesOf('smb', {
    // The server may be a Mac.
    normalizes: true,
    timeGrain: 1,
    replacesAtOnce: true,
    resumes: true,
    parallelWrites: 1,
    // smbclient only opens the file that it is given.
    reads: ['file', 'descriptor'],
  });
  readonly renames = true;
  readonly root: string;
  readonly #words: readonly string[];
  readonly #base: string;
  readonly #session: SmbSession;
  readonly #cleanUp: () => Promise<void>;

  /** @param base the root's path in the share */
  constructor(root: string, words: readonly string[], base: string, cleanUp: () => Promise<void>) {
    this.root = root;
    this.#words = words;
    this.#base = base;
    this.#session = new SmbSession(words, root);
    this.#cleanUp = cleanUp;
  }

  async entries(folder: string, signal: AbortSignal): Promise<StorageEntry[]> {
    const pattern = this.#quoted(folder).slice(0, -1);
    try {
      return parseSmbList(await this.#run(`ls ${pattern}\\*"`, folder, signal));
    } catch (error) {
      // No entry matches the pattern: the folder is empty or missing. The root of a share has no entries for itself.
      const isEmpty = isFailure(error) && error.details.why === 'NT_STATUS_NO_SUCH_FILE';
      if (isEmpty && folder === '' && this.#base === '') return [];
      throw error;
    }
  }

  async look(path: string, signal: AbortSignal): Promise<StorageEntry | undefined> {
    if (path === '') return { name: '', folder: true, size: 0, mtime: undefined };
    try {
      const name = nameOf(path);
      const [found] = parseSmbList(await this.#run(`ls ${this.#quoted(path)}`, path, signal));
      return found && { ...found, name };
    } catch (error) {
      if (isFailure(error, 'target-missing')) return undefined;
      throw error;
    }
  }

  async open(path: string, start: number, signal: AbortSignal): Promise<Readable> {
    // A look-up first: the program reports errors only after the bytes.
    const found = await this.look(path, signal);
    if (!found) throw new Failure('target-missing', { target: this.root, path });
    if (found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is a folder' });
    // -E: messages go to standard error, so that standard output has the bytes alone. With -c a semicolon in a path
    // would end the command.
    const child = launch('smbclient', [...this.#words, '-E'], { env: smbEnvironment(), signal }, this.root);
    child.stdin.on('error', () => undefined);
    child.stdin.end(`get ${this.#quoted(path)} -\n${END}\n`);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)));
    child.once('error', () => undefined);
    const out = new PassThrough();
    let skip = start;
    child.stdout.on('data', (chunk: Buffer) => {
      const bytes = chunk.subarray(Math.min(skip, chunk.length));
      skip -= Math.min(skip, chunk.length);
      if (bytes.length > 0 && !out.write(bytes)) child.stdout.pause();
    });
    out.on('drain', () => child.stdout.resume());
    out.once('close', () => child.kill('SIGKILL'));
    child.once('close', () => {
      const failure = smbFailure(said, this.root, path);
      // smbclient has read the next command: the previous one is done.
      if (!failure && said.includes(`${END}: command not found`)) out.end();
      else
        out.destroy(
          signal.aborted
            ? (signal.reason as Error)
            : (failure ?? new Failure('target-unreachable', { target: this.root, why: said })),
        );
    });
    return out;
  }

  async put({ file, size, mtime, continues }: StagedContent, path: string, signal: AbortSignal): Promise<void> {
    // The part left by a broken connection is continued.
    const there = continues ? await this.look(path, signal) : undefined;
    const how = there && there.size > 0 && there.size <= size ? 'reput' : 'put';
    await this.#run(`${how} ${localName(file)} ${this.#quoted(path)}`, path, signal);
    if (mtime !== undefined) await this.setTime(path, mtime, signal);
  }

  async setTime(path: string, mtime: number, signal: AbortSignal): Promise<void> {
    const text = new Date(mtime * 1000).toISOString();
    // YY:MM:DD-HH:MM:SS
    const time = `${text.slice(2, 10).replaceAll('-', ':')}-${text.slice(11, 19)}`;
    await this.#run(`utimes ${this.#quoted(path)} -1 -1 ${time} -1`, path, signal);
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#run(`mkdir ${this.#quoted(path)}`, path, signal);
    } catch (error) {
      if (!isFailure(error, 'target-exists')) throw error;
    }
  }

  async removeFile(path: string, signal: AbortSignal): Promise<void> {
    await this.#gone(`del ${this.#quoted(path)}`, path, signal);
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.#gone(`rmdir ${this.#quoted(path)}`, path, signal);
  }

  async purge(path: string, signal: AbortSignal): Promise<void> {
    await this.#gone(`deltree ${this.#quoted(path)}`, path, signal);
  }

  async #gone(command: string, path: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#run(command, path, signal);
    } catch (error) {
      if (!isFailure(error, 'target-missing')) throw error;
    }
  }

  async rename(from: string, to: string, _isFolder: boolean, signal: AbortSignal): Promise<void> {
    // Without -f the command refuses to replace an item.
    await this.#run(`rename ${this.#quoted(from)} ${this.#quoted(to)}`, to, signal);
  }

  async about(signal: AbortSignal) {
    const text = await this.#run(`ls ${this.#quoted('').slice(0, -1)}\\*"`, '', signal);
    const match = /(\d+) blocks of size (\d+)\. (\d+) blocks available/.exec(text);
    if (!match) return { kind: 'SMB' };
    const [total, size, free] = match.slice(1).map(Number) as [number, number, number];
    return { kind: 'SMB', total: total * size, free: free * size };
  }

  /** Ends the session, but not what it shares with others. */
  leave(): Promise<void> {
    return this.#session.close();
  }

  async close(): Promise<void> {
    await this.#session.close();
    await this.#cleanUp();
  }

  #run(command: string, path: string, signal: AbortSignal): Promise<string> {
    return this.#session.run(command, path, signal);
  }

  /**
   * A path in quotes for smbclient's command language. Characters that a name of a share cannot contain, such as quotes
   * and line breaks, are refused: they could start another command.
   */
  #quoted(path: string): string {
    const names = [this.#base, path].filter((part) => part !== '').join('/');
    for (const character of names)
      if (character !== '/' && WINDOWS_CHARACTERS.includes(character))
        throw new Failure('target-name-refused', { target: this.root, path, why: 'a share has no such names' });
    return `"${names === '' ? '' : '\\'}${names.replaceAll('/', '\\')}"`;
  }
}

function localName(file: string): string {
  if (/["\n]/.test(file)) throw new Failure('usage', { what: `the staging folder ${file} has a name for no program` });
  return `"${file}"`;
}

/** Names are padded with spaces; other space-like characters belong to the name. */
const PADDING = / +$/;
const DATE = / {2}(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})$/;
/** Attributes take seven columns, followed by a space; the size takes eight or more. */
const [ATTRIBUTES, SIZE] = [7, 8];

/** Lines of `ls`: two spaces, the name, attributes, size, date; names have no fixed width. */
export function parseSmbList(text: string): StorageEntry[] {
  const entries: StorageEntry[] = [];
  for (const line of text.split('\n')) {
    const date = DATE.exec(line);
    if (!date || !line.startsWith('  ')) continue;
    const before = line.slice(2, date.index);
    const size = /\d+$/.exec(before)?.[0] ?? '';
    const rest = before.slice(0, -Math.max(SIZE, size.length) - 1);
    const attributes = rest.slice(-ATTRIBUTES);
    const name = rest.slice(0, -ATTRIBUTES).replace(PADDING, '');
    if (name === '.' || name === '..' || name === '') continue;
    const folder = attributes.includes('D');
    entries.push({
      name,
      folder,
      size: folder ? 0 : Number(size),
      mtime: Date.parse(`${date[1]} UTC`) / 1000,
      ...(attributes.includes('H') ? { hidden: true } : {}),
    });
  }
  return entries;
}
