import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Witness } from '../witness.js';

/** What jobs keep beside the files, which nobody looks into. */
const OWN = /^\.procorefs/;
let last = 0;

/** A folder in which a person works; what is written gets a time of its own, since copies are told apart by it. */
export class Disk {
  readonly root: string;
  readonly #name: string;
  readonly #witness: Witness;
  /** Times that files had here. */
  readonly #times = new Set<number>();

  constructor(root: string, name: string, witness: Witness) {
    this.root = root;
    this.#name = name;
    this.#witness = witness;
  }

  /** Paths with the content of each file; undefined: a folder. */
  tree(below = ''): Map<string, string | undefined> {
    const found = new Map<string, string | undefined>();
    for (const entry of readdirSync(join(this.root, below), { withFileTypes: true })) {
      if (OWN.test(entry.name)) continue;
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      found.set(path, entry.isDirectory() ? undefined : this.read(path));
      if (entry.isDirectory()) for (const [one, content] of this.tree(path)) found.set(one, content);
    }
    return found;
  }

  read(path: string): string | undefined {
    try {
      return readFileSync(join(this.root, path), 'utf8');
    } catch {
      return undefined;
    }
  }

  /** @param like a file whose size and time it gets: unless one had these here, which nobody could tell apart */
  write(path: string, like?: string): void {
    const full = join(this.root, path);
    if (statSync(full, { throwIfNoEntry: false })?.isDirectory()) return;
    const other = like === undefined ? undefined : statSync(like);
    const content = this.#witness.fresh(this.#name, other?.size);
    mkdirSync(dirname(full), { recursive: true });
    // A job may give it another name at any time: all of this is about one file.
    const isNew = !existsSync(full);
    const fd = openSync(full, constants.O_RDWR | constants.O_CREAT, 0o666);
    try {
      const before = isNew ? undefined : readFileSync(fd, 'utf8');
      this.#passes(fstatSync(fd));
      ftruncateSync(fd);
      writeSync(fd, content, 0);
      last = Math.max(Date.now(), last + 7);
      const time = (other === undefined || this.#times.has(Math.round(other.mtimeMs)) ? last : other.mtimeMs) / 1000;
      futimesSync(fd, time, time);
      this.#passes(fstatSync(fd));
      this.#witness.gaveUp(before, `saved ${this.#name}:${path}`);
      this.#witness.wrote(content, `saved ${this.#name}:${path}`);
    } finally {
      closeSync(fd);
    }
  }

  #passes(found: Stats | undefined): void {
    if (found) this.#times.add(Math.round(found.mtimeMs));
  }

  mkdir(path: string): void {
    mkdirSync(join(this.root, path), { recursive: true });
  }

  /** A file, or a folder with all that is in it. */
  remove(path: string): void {
    const how = `removed ${this.#name}:${path}`;
    const isFolder = statSync(join(this.root, path)).isDirectory();
    if (!isFolder) this.#passes(statSync(join(this.root, path), { throwIfNoEntry: false }));
    for (const content of isFolder ? this.tree(path).values() : [this.read(path)]) this.#witness.gaveUp(content, how);
    rmSync(join(this.root, path), { recursive: true });
  }
}
