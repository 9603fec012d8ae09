import type { Readable } from 'node:stream';
import { isFailure } from '../../base/errors.js';
import { nameOf } from '../paths.js';
import { readByCopy } from '../remote/by-copy.js';
import type { RemoteStorage, StagedContent, StorageEntry } from '../remote/storage.js';
import { rulesOf } from '../rules.js';
import type { MakeFolder } from '../temporary.js';
import type { SshHost } from './host.js';

const LIST = [
  '--list-only',
  '--dirs',
  '--links',
  '--no-implied-dirs',
  '--no-human-readable',
  '--from0',
  '--files-from=-',
];

/**
 * Checks on the server itself, right before the move: an existing item is not replaced, and nothing is moved into an
 * existing folder.
 */
const MOVE = `sh -c 'if [ -e "$2" ] || [ -L "$2" ]; then echo "File exists" >&2; exit 1; fi; exec mv -f -- "$1" "$2"' sh`;

/**
 * A server with sshd and rsync. Bytes and listings are transferred by rsync, which reads names from its standard input,
 * so that no shell or wildcard applies to them; moves and removals are POSIX commands over ssh.
 */
export class RsyncStorage implements RemoteStorage {
  // Listings show whole seconds; a part is completed by rsync's own checksums. The server may be a Mac.
  readonly rules = rulesOf('rsync', { normalizes: true, timeGrain: 1, replacesAtOnce: true, resumes: true });
  readonly renames = true;
  readonly takesTimeOfFile = true;
  readonly hasLinks = true;
  readonly root: string;
  readonly #host: SshHost;
  readonly #temporary: MakeFolder;

  constructor(host: SshHost, temporary: MakeFolder) {
    this.#host = host;
    this.#temporary = temporary;
    this.root = host.shown;
  }

  async entries(folder: string, signal: AbortSignal): Promise<StorageEntry[]> {
    const asked = folder === '' ? './' : `./${folder}/`;
    const lines = parseRsyncList(
      await this.#host.rsync([...LIST, this.#host.source, this.#host.nowhere], asked, folder, signal),
    );
    const before = folder === '' ? '' : `${folder}/`;
    const found: StorageEntry[] = [];
    for (const { path, ...entry } of lines) {
      if (path === '' || path === '.' || path === folder || !path.startsWith(before)) continue;
      const name = path.slice(before.length);
      if (!name.includes('/')) found.push({ ...entry, name, ...(name.startsWith('.') ? { hidden: true } : {}) });
    }
    return found;
  }

  async look(path: string, signal: AbortSignal): Promise<StorageEntry | undefined> {
    if (path === '') return { name: '', folder: true, size: 0, mtime: undefined };
    try {
      const lines = parseRsyncList(
        await this.#host.rsync(
          [...LIST, '--ignore-missing-args', this.#host.source, this.#host.nowhere],
          `./${path}`,
          path,
          signal,
        ),
      );
      const found = lines.find((line) => line.path === path);
      if (!found) return undefined;
      const { path: _, ...entry } = found;
      const name = nameOf(path);
      return { ...entry, name, ...(name.startsWith('.') ? { hidden: true } : {}) };
    } catch (error) {
      if (isFailure(error, 'target-missing')) return undefined;
      throw error;
    }
  }

  open(path: string, start: number, signal: AbortSignal): Promise<Readable> {
    return readByCopy(nameOf(path), start, signal, this.#temporary, (folder) => {
      const words = ['--no-relative', '--from0', '--files-from=-', this.#host.source, `${folder}/`];
      return this.#host.rsync(words, `./${path}`, path, signal);
    });
  }

  async put({ file }: StagedContent, path: string, signal: AbortSignal): Promise<void> {
    // In place: bytes left by a broken connection are compared by checksums, and only missing ones are sent.
    const words = ['--times', '--inplace', '--ignore-times', '--no-whole-file', file, this.#host.place(path)];
    await this.#host.rsync(words, '', path, signal);
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.#host.run('mkdir -p --', [path], path, signal);
  }

  async removeFile(path: string, signal: AbortSignal): Promise<void> {
    await this.#host.run('rm -f --', [path], path, signal);
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.#host.run('rmdir --', [path], path, signal);
  }

  async purge(path: string, signal: AbortSignal): Promise<void> {
    await this.#host.run('rm -rf --', [path], path, signal);
  }

  async rename(from: string, to: string, _isFolder: boolean, signal: AbortSignal): Promise<void> {
    const isItself = from.toLowerCase() === to.toLowerCase();
    await this.#host.run(isItself ? 'mv -f --' : MOVE, [from, to], to, signal);
  }

  async setTime(path: string, mtime: number, signal: AbortSignal): Promise<void> {
    const digits = new Date(mtime * 1000).toISOString().replace(/\D/g, '');
    await this.#host.run(`TZ=UTC touch -c -t ${digits.slice(0, 12)}.${digits.slice(12, 14)} --`, [path], path, signal);
  }

  async about(signal: AbortSignal) {
    const text = await this.#host.run('df -Pk --', [''], '', signal);
    const [, total, , free] = text.trim().split('\n').at(-1)?.split(/\s+/).map(Number) ?? [];
    const isKnown = Number.isFinite(total) && Number.isFinite(free);
    return { kind: 'rsync over ssh', ...(isKnown ? { total: total! * 1024, free: free! * 1024 } : {}) };
  }

  async close(): Promise<void> {
    await this.#host.close();
  }
}

const LINE = /^([-dlpscb])[-rwxsStT]{9}\S*\s+(\d+) (\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d) (.*)$/;

interface Line extends Omit<StorageEntry, 'name'> {
  readonly path: string;
}

/** Lines of `rsync --list-only` (in UTC): mode, size, date, time, path; unprintable bytes are shown as `\#012`. */
export function parseRsyncList(text: string): Line[] {
  return text.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    if (!match) return [];
    const [, type, size, year, month, day, hour, minute, second, shown] = match;
    const path = unescaped(type === 'l' ? shown!.split(' -> ')[0]! : shown!);
    const isPlain = type === '-' || type === 'd';
    return {
      path: path.replace(/^\.\//, ''),
      folder: type === 'd',
      size: type === '-' ? Number(size) : 0,
      mtime: Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!) / 1000,
      ...(isPlain ? {} : { unusable: 'type' as const }),
    };
  });
}

function unescaped(shown: string): string {
  if (!shown.includes('\\#')) return shown;
  const bytes = Buffer.from(shown).toString('latin1');
  const plain = bytes.replace(/\\#([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return Buffer.from(plain, 'latin1').toString('utf8');
}
