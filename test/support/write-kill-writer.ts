import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** SHA-256 by path of each file below a writer's folder; undefined: a folder. */
export type WantedTree = ReadonlyMap<string, string | undefined>;
type Tree = Map<string, string | undefined>;

/** Names that come again, so that files take each other's places. */
const NAMES = 12;
const LARGEST = 300_000;
/** Milliseconds between two turns, at most: what is written must also be sent, through faults. */
const PAUSE = 15;
/** Bytes a write(2). */
const STEP = 60_000;

/** A program that changes files in a folder of its own, one call after the other, and knows what was acknowledged. */
export class Writer {
  readonly folder: string;
  /** Trees that are right now: one, unless a call was under way when it ended. */
  alternatives: WantedTree[] = [new Map()];
  /** Paths where anything complete may be, or nothing: they were being written over. */
  readonly unsure = new Set<string>();
  /** SHA-256 of all content that was ever complete, or whose closing was under way. */
  readonly complete = new Set<string>();
  /** SHA-256 of what a file had again after the writing of it was given up. */
  readonly givenUp = new Set<string>();
  /** Calls that were acknowledged. */
  calls = 0;
  readonly #mnt: string;
  readonly #random: () => number;
  readonly #contents = new Map<string, Buffer>();
  #held: { readonly file: FileHandle; readonly path: string; readonly content: Buffer } | undefined;
  #count = 0;

  constructor(mnt: string, folder: string, random: () => number) {
    this.#mnt = mnt;
    this.folder = folder;
    this.#random = random;
  }

  /** This is what is there; doubts of the last kill are over. */
  settle(tree: WantedTree): void {
    this.alternatives = [tree];
    this.unsure.clear();
    const wanted = new Set(tree.values());
    for (const sum of this.#contents.keys()) if (!wanted.has(sum)) this.#contents.delete(sum);
  }

  /** Works until a call fails; resolves with its error. */
  async run(): Promise<Error> {
    try {
      for (;;) {
        await this.#one();
        await sleep(this.#random() * PAUSE);
      }
    } catch (error) {
      await this.#held?.file.close().catch(() => undefined);
      this.#held = undefined;
      return error as Error;
    }
  }

  async #one(): Promise<void> {
    const tree = this.alternatives[0]!;
    const isFree = (path: string): boolean => path !== this.#held?.path;
    const files = [...tree].filter(([path, sum]) => sum !== undefined && isFree(path)).map(([path]) => path);
    const folders = [...tree].filter(([, sum]) => sum === undefined).map(([path]) => path);
    const file = this.#pick(files);
    const folder = this.#pick(folders);
    const place = [this.#pick(['', ...folders]), `${this.#integer(NAMES)}.txt`].filter((part) => part).join('/');
    if (!isFree(place)) return;
    const draw = this.#random() * 100;
    if (draw < 30 || file === undefined) return this.#write(place, 'w');
    if (draw < 38) return this.#write(file, 'w');
    if (draw < 46) return this.#append(file);
    if (draw < 58) return this.#hold(place);
    if (draw < 66) return this.#save(file);
    if (draw < 76) return this.#rename(file, place);
    if (draw < 86) return this.#call(() => rm(this.#at(file)), deleting(file));
    if (draw < 91 || folder === undefined) {
      const made = `folder ${this.#count++}`;
      return this.#call(() => mkdir(this.#at(made)), setting(made, undefined));
    }
    const isBusy = this.#held?.path.startsWith(`${folder}/`) ?? false;
    if (isBusy) return;
    if (draw < 96) return this.#rename(folder, `folder ${this.#count++}`);
    if ([...tree.keys()].some((path) => path.startsWith(`${folder}/`))) return;
    return this.#call(() => rmdir(this.#at(folder)), deleting(folder));
  }

  /** Writes a file; its content counts from `close` on. */
  #write(path: string, flags: 'w' | 'wx'): Promise<void> {
    const content = this.#content();
    const sum = this.#declare(content);
    return this.#call(
      async () => {
        const file = await open(this.#at(path), flags);
        await writeAll(file, content, 0).finally(() => file.close());
      },
      setting(path, sum),
      path,
    );
  }

  #append(path: string): Promise<void> {
    const before = this.#contents.get(this.alternatives[0]!.get(path)!)!;
    const more = this.#content();
    const sum = this.#declare(Buffer.concat([before, more]));
    return this.#call(
      async () => {
        const file = await open(this.#at(path), 'r+');
        await writeAll(file, more, before.length).finally(() => file.close());
      },
      setting(path, sum),
      path,
    );
  }

  /** Opens a file, writes half of it and leaves it open; the next turn writes the rest. Now and then a sync comes between. */
  async #hold(path: string): Promise<void> {
    if (this.#held) {
      const { file, path: held, content } = this.#held;
      const half = content.length >> 1;
      await this.#call(
        async () => {
          await writeAll(file, content.subarray(half), half);
          await file.close();
        },
        setting(held, this.#declare(content)),
        held,
      );
      this.#held = undefined;
      return;
    }
    if (this.alternatives[0]!.has(path)) return;
    const content = this.#content();
    const half = content.subarray(0, content.length >> 1);
    this.unsure.add(path);
    const file = await open(this.#at(path), 'w');
    this.#held = { file, path, content };
    await writeAll(file, half, 0);
    this.calls++;
    if (this.#random() < 0.5) await this.#call(() => file.sync(), setting(path, this.#declare(half)), path);
    await sleep(this.#random() * 50);
  }

  /** As editors save: a new file, renamed over the old one. */
  async #save(path: string): Promise<void> {
    const fresh = `new ${this.#count++}.txt`;
    await this.#write(fresh, 'wx');
    await this.#rename(fresh, path);
  }

  #rename(from: string, to: string): Promise<void> {
    return this.#call(
      () => rename(this.#at(from), this.#at(to)),
      (tree) => {
        for (const [path, sum] of [...tree]) {
          if (path !== from && !path.startsWith(`${from}/`)) continue;
          tree.delete(path);
          tree.set(to + path.slice(from.length), sum);
        }
      },
    );
  }

  /** Before the call returns, its effect may be there or not; after it, it must be there. */
  async #call(work: () => Promise<unknown>, effect: (tree: Tree) => void, written?: string): Promise<void> {
    const before = this.alternatives[0]!;
    const after: Tree = new Map(before);
    effect(after);
    this.alternatives = [before, after];
    if (written !== undefined) this.unsure.add(written);
    await work();
    this.alternatives = [after];
    if (written !== undefined) this.unsure.delete(written);
    this.calls++;
  }

  #at(path: string): string {
    return join(this.#mnt, this.folder, path);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#integer(from.length)];
  }

  #integer(below: number): number {
    return Math.floor(this.#random() * below);
  }

  /** Unlike any other. */
  #content(): Buffer {
    const size = this.#random() < 0.1 ? this.#integer(LARGEST) : this.#integer(3000);
    const stamp = `${this.folder} ${this.#count++} `;
    return Buffer.alloc(stamp.length * 2 + size, stamp);
  }

  #declare(content: Buffer): string {
    const sum = createHash('sha256').update(content).digest('hex');
    this.complete.add(sum);
    this.#contents.set(sum, content);
    return sum;
  }
}

const setting =
  (path: string, sum: string | undefined) =>
  (tree: Tree): void => {
    tree.set(path, sum);
  };

const deleting =
  (path: string) =>
  (tree: Tree): void => {
    tree.delete(path);
  };

async function writeAll(file: FileHandle, content: Buffer, from: number): Promise<void> {
  for (let at = 0; at < content.length; at += STEP)
    await file.write(content.subarray(at, at + STEP), 0, undefined, from + at);
}
