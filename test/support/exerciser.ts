import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  copyFileRange,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  fallocate,
  Mapping,
  RENAME_EXCHANGE,
  renameWith,
} from './exerciser-calls.js';
import { randomBy } from './random.js';

const { O_RDWR, O_RDONLY, O_APPEND, O_CREAT, O_TRUNC, O_DIRECT } = constants;
const PAGE = 4096;
const MOST_HANDLES = 4;
/** Operations that a failure tells of. */
const TOLD = 25;

interface Opened {
  readonly fd: number;
  readonly kind: 'read' | 'write' | 'append' | 'direct';
}

/** A file as it must be, and what has it open. */
class Shadow {
  name: string;
  readonly bytes: Buffer;
  size: number;
  handles: Opened[] = [];

  constructor(name: string, content: Uint8Array, most: number) {
    this.name = name;
    this.bytes = Buffer.alloc(most);
    this.bytes.set(content);
    this.size = content.length;
  }

  get content(): Buffer {
    return this.bytes.subarray(0, this.size);
  }

  resize(size: number): void {
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  put(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
    this.size = Math.max(this.size, offset + bytes.length);
  }
}

export interface ExerciserOptions {
  readonly folder: string;
  readonly seed: number;
  /** Content by name at the beginning. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Bytes that a file has at most. */
  readonly most: number;
  /** Whether the file system has fallocate(2), and shared mappings. */
  readonly complete: boolean;
}

/** Does random things to files and compares each answer with what a shadow copy in memory says. */
export class Exerciser {
  readonly #o: ExerciserOptions;
  readonly #random: () => number;
  readonly #files: Shadow[];
  readonly #direct: Mapping;
  readonly #told: string[] = [];
  #done = 0;

  constructor(options: ExerciserOptions) {
    this.#o = options;
    this.#random = randomBy(options.seed);
    this.#files = [...options.files].map(([name, content]) => new Shadow(name, content, options.most));
    this.#direct = Mapping.anonymous(16 * PAGE);
  }

  /** @throws Error that tells the last operations, at the first answer that is wrong */
  run(operations: number): void {
    const weights = Object.entries(this.#operations);
    const total = weights.reduce((sum, [, [weight]]) => sum + weight, 0);
    for (let i = 0; i < operations; i++) {
      let at = this.#random() * total;
      const [name, [, operation]] = weights.find(([, [weight]]) => (at -= weight) < 0)!;
      const file = this.#pick(this.#files);
      try {
        operation(file);
      } catch (error) {
        const told = this.#told.slice(-TOLD).join('\n  ');
        throw new Error(`operation ${this.#done}, ${name} of ${file.name}, seed ${this.#o.seed}; before:\n  ${told}`, {
          cause: error,
        });
      }
      this.#done++;
    }
  }

  /** Closes everything, and compares every file as a new reader sees it. Content by name. */
  finish(): Map<string, Buffer> {
    for (const file of this.#files) {
      for (const { fd } of file.handles) closeSync(fd);
      file.handles = [];
      this.#compare(file, 0, readFileSync(this.#path(file)), file.size);
    }
    return new Map(this.#files.map((file) => [file.name, file.content]));
  }

  readonly #operations: Readonly<Record<string, readonly [weight: number, (file: Shadow) => void]>> = {
    read: [20, (file) => this.#read(file)],
    write: [20, (file) => this.#write(file)],
    append: [6, (file) => this.#append(file)],
    'write, mapped': [4, (file) => this.#map(file, true)],
    'read, mapped': [3, (file) => this.#map(file, false)],
    'read past the cache': [3, (file) => this.#readDirect(file)],
    'write past the cache': [3, (file) => this.#writeDirect(file)],
    'truncate an open file': [4, (file) => this.#truncate(file, true)],
    'truncate by path': [2, (file) => this.#truncate(file, false)],
    allocate: [2, (file) => this.#allocate(file)],
    'punch a hole': [0.5, (file) => this.#punch(file)],
    'copy a range': [2, (file) => this.#copy(file)],
    stat: [5, (file) => this.#stat(file)],
    open: [6, (file) => this.#open(file)],
    close: [6, (file) => this.#close(file)],
    'write anew': [1, (file) => this.#writeAnew(file)],
    fsync: [0.3, (file) => this.#sync(file)],
    'read whole': [1, (file) => this.#compare(file, 0, readFileSync(this.#path(file)), file.size)],
    rename: [0.7, (file) => this.#rename(file)],
    exchange: [0.2, (file) => this.#exchange(file)],
    'save by renaming': [0.5, (file) => this.#saveByRenaming(file)],
    'delete, make anew': [0.5, (file) => this.#deleteAndMake(file)],
  };

  #read(file: Shadow): void {
    const { fd } = this.#handle(file, ['read', 'write']);
    const offset = this.#below(file.size + PAGE);
    const buffer = Buffer.alloc(1 + this.#below(3 * PAGE));
    this.#tell(`read ${buffer.length} at ${offset}`, file);
    this.#compare(file, offset, buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, offset)), buffer.length);
  }

  #write(file: Shadow): void {
    const { fd } = this.#handle(file, ['write']);
    const offset = this.#below(Math.min(file.size + PAGE, this.#o.most));
    const bytes = this.#bytes(Math.min(1 + this.#below(3 * PAGE), this.#o.most - offset));
    this.#tell(`write ${bytes.length} at ${offset}`, file);
    equal(writeSync(fd, bytes, 0, bytes.length, offset), bytes.length, 'bytes written');
    file.put(offset, bytes);
  }

  #append(file: Shadow): void {
    const { fd } = this.#handle(file, ['append']);
    const bytes = this.#bytes(Math.min(1 + this.#below(500), this.#o.most - file.size));
    this.#tell(`append ${bytes.length}`, file);
    equal(writeSync(fd, bytes), bytes.length, 'bytes appended');
    file.put(file.size, bytes);
  }

  #map(file: Shadow, writes: boolean): void {
    if (file.size === 0) return;
    const { fd } = this.#handle(file, writes ? ['write'] : ['write', 'read']);
    if (!this.#o.complete) {
      fails('ENODEV', () => Mapping.ofFile(fd, file.size, writes));
      return;
    }
    const mapping = Mapping.ofFile(fd, file.size, writes);
    try {
      const offset = this.#below(file.size);
      const length = Math.min(1 + this.#below(3 * PAGE), file.size - offset);
      this.#tell(`${writes ? 'write' : 'read'} ${length} at ${offset}, mapped`, file);
      if (writes) {
        const bytes = this.#bytes(length);
        mapping.store(offset, bytes);
        if (this.#random() < 0.3) mapping.sync();
        file.put(offset, bytes);
      } else this.#compare(file, offset, mapping.load(offset, length), length);
    } finally {
      mapping.close();
    }
  }

  #readDirect(file: Shadow): void {
    const { fd } = this.#handle(file, ['direct']);
    const offset = this.#below(file.size / PAGE + 1) * PAGE;
    const length = (1 + this.#below(15)) * PAGE;
    this.#tell(`read ${length} at ${offset}, O_DIRECT`, file);
    this.#compare(file, offset, this.#direct.readFrom(fd, offset, length), length);
  }

  #writeDirect(file: Shadow): void {
    const { fd } = this.#handle(file, ['direct']);
    const offset = this.#below(file.size / PAGE + 1) * PAGE;
    const bytes = this.#bytes((1 + this.#below(15)) * PAGE);
    if (offset + bytes.length > this.#o.most) return;
    this.#tell(`write ${bytes.length} at ${offset}, O_DIRECT`, file);
    equal(this.#direct.writeTo(fd, offset, bytes), bytes.length, 'bytes written');
    file.put(offset, bytes);
  }

  #truncate(file: Shadow, open: boolean): void {
    const size = this.#random() < 0.1 ? 0 : Math.min(this.#below(file.size * 1.5 + PAGE), this.#o.most);
    this.#tell(`truncate to ${size}${open ? '' : ' by path'}`, file);
    if (open) ftruncateSync(this.#handle(file, ['write', 'append']).fd, size);
    else truncateSync(this.#path(file), size);
    file.resize(size);
  }

  #allocate(file: Shadow): void {
    const { fd } = this.#handle(file, ['write']);
    const offset = this.#below(file.size + PAGE);
    const length = 1 + this.#below(2 * PAGE);
    if (offset + length > this.#o.most) return;
    const mode = this.#random() < 0.5 ? FALLOC_FL_KEEP_SIZE : 0;
    this.#tell(`allocate ${length} at ${offset}, mode ${mode}`, file);
    if (!this.#o.complete) {
      fails('ENOTSUP', () => fallocate(fd, mode, offset, length));
      return;
    }
    fallocate(fd, mode, offset, length);
    if (mode === 0) file.size = Math.max(file.size, offset + length);
  }

  #punch(file: Shadow): void {
    const { fd } = this.#handle(file, ['write']);
    this.#tell('punch a hole', file);
    fails('ENOTSUP', () => fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
  }

  #copy(file: Shadow): void {
    const from = this.#pick(this.#files);
    const source = this.#handle(from, ['read', 'write']);
    const target = this.#handle(file, ['write']);
    const fromOffset = this.#below(from.size);
    const toOffset = this.#below(file.size + 1);
    const length = Math.min(this.#below(4 * PAGE), from.size - fromOffset, this.#o.most - toOffset);
    const overlaps = from === file && Math.abs(fromOffset - toOffset) < length;
    if (length <= 0 || overlaps) return;
    this.#tell(`copy ${length} from ${from.name} at ${fromOffset} to ${toOffset}`, file);
    const count = copyFileRange(source.fd, fromOffset, target.fd, toOffset, length);
    if (count < 1 || count > length) throw new Error(`${count} bytes were copied`);
    file.put(toOffset, Buffer.from(from.bytes.subarray(fromOffset, fromOffset + count)));
  }

  #stat(file: Shadow): void {
    this.#tell('stat', file);
    equal(statSync(this.#path(file)).size, file.size, 'size by path');
    for (const { fd, kind } of file.handles) equal(fstatSync(fd).size, file.size, `size of a handle to ${kind}`);
  }

  #open(file: Shadow): void {
    if (file.handles.length >= MOST_HANDLES) this.#close(file);
    this.#handleOf(file, this.#pick(['read', 'read', 'write', 'append', 'direct']));
  }

  #close(file: Shadow): void {
    if (file.handles.length === 0) return;
    const handle = this.#pick(file.handles);
    this.#tell(`close ${handle.kind}`, file);
    closeSync(handle.fd);
    file.handles = file.handles.filter((one) => one !== handle);
  }

  #writeAnew(file: Shadow): void {
    const bytes = this.#bytes(this.#below(this.#o.most / 2));
    this.#tell(`write ${bytes.length} anew`, file);
    this.#writeFile(this.#path(file), bytes);
    file.resize(0);
    file.put(0, bytes);
  }

  #sync(file: Shadow): void {
    this.#tell('fsync', file);
    fsyncSync(this.#handle(file, ['write', 'append']).fd);
  }

  #rename(file: Shadow): void {
    const name = `${file.name.replace(/ \d+(?=\.\w+$)/, '').replace(/(?=\.\w+$)/, ` ${this.#below(1000)}`)}`;
    if (this.#files.some((other) => other.name === name)) return;
    this.#tell(`rename to ${name}`, file);
    renameSync(this.#path(file), join(this.#o.folder, name));
    file.name = name;
  }

  #exchange(file: Shadow): void {
    const other = this.#pick(this.#files);
    if (other === file) return;
    this.#tell(`exchange with ${other.name}`, file);
    fails('EINVAL', () => renameWith(RENAME_EXCHANGE, this.#path(file), this.#path(other)));
  }

  /** Who had the file open goes on with the old content, which nobody can see any more. */
  #saveByRenaming(file: Shadow): void {
    const bytes = this.#bytes(this.#below(this.#o.most / 2));
    const temporary = `${this.#path(file)}.tmp`;
    this.#tell(`save ${bytes.length} by renaming`, file);
    this.#writeFile(temporary, bytes);
    renameSync(temporary, this.#path(file));
    this.#replaced(file, bytes);
  }

  #deleteAndMake(file: Shadow): void {
    const bytes = this.#bytes(this.#below(this.#o.most / 2));
    this.#tell(`delete, make anew with ${bytes.length}`, file);
    unlinkSync(this.#path(file));
    fails('ENOENT', () => statSync(this.#path(file)));
    this.#writeFile(this.#path(file), bytes);
    this.#replaced(file, bytes);
  }

  #replaced(file: Shadow, bytes: Uint8Array): void {
    const before = file.content;
    for (const { fd, kind } of file.handles) {
      if (kind === 'read' || kind === 'write') {
        const buffer = Buffer.alloc(file.size + 1);
        const found = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0));
        if (!found.equals(before))
          throw new Error(`a handle to ${kind} of a replaced file: ${difference(found, before)}`);
      }
      closeSync(fd);
    }
    file.handles = [];
    file.resize(0);
    file.put(0, bytes);
  }

  #writeFile(path: string, bytes: Uint8Array): void {
    const fd = openSync(path, O_RDWR | O_CREAT | O_TRUNC);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 30_000));
    closeSync(fd);
  }

  #compare(file: Shadow, offset: number, found: Uint8Array, asked: number): void {
    const wanted = file.content.subarray(Math.min(offset, file.size), Math.min(offset + asked, file.size));
    if (!wanted.equals(found)) throw new Error(`at ${offset}: ${difference(found, wanted)}`);
  }

  /** An open handle of one of these kinds, opened where there is none. */
  #handle(file: Shadow, kinds: readonly Opened['kind'][]): Opened {
    const fitting = file.handles.filter(({ kind }) => kinds.includes(kind));
    return fitting.length > 0 ? this.#pick(fitting) : this.#handleOf(file, this.#pick(kinds));
  }

  #handleOf(file: Shadow, kind: Opened['kind']): Opened {
    const flags = { read: O_RDONLY, write: O_RDWR, append: O_RDWR | O_APPEND, direct: O_RDWR | O_DIRECT }[kind];
    this.#tell(`open to ${kind}`, file);
    const handle = { fd: openSync(this.#path(file), flags), kind };
    file.handles.push(handle);
    return handle;
  }

  #path(file: Shadow): string {
    return join(this.#o.folder, file.name);
  }

  #bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length, 1 + this.#below(255));
    if (length >= 4) bytes.writeUInt32LE(this.#done);
    return bytes;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #tell(what: string, file: Shadow): void {
    this.#told.push(`${this.#done} ${file.name} (${file.size}): ${what}`);
    if (this.#told.length > 4 * TOLD) this.#told.splice(0, 3 * TOLD);
  }
}

function equal(found: number, wanted: number, what: string): void {
  if (found !== wanted) throw new Error(`${what}: ${found} instead of ${wanted}`);
}

function fails(code: string, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return;
    throw error;
  }
  throw new Error(`it did not fail with ${code}`);
}

function difference(found: Uint8Array, wanted: Uint8Array): string {
  const at = wanted.findIndex((byte, i) => byte !== found[i]);
  const first = at < 0 ? '' : `, first at ${at}: ${found[at]} instead of ${wanted[at]}`;
  return `${found.length} bytes instead of ${wanted.length}${first}`;
}
