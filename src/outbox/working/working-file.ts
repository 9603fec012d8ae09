import {
  closeSync,
  fstatSync,
  fsync as fsyncCallback,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  read as readCallback,
  write as writeCallback,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { abortable } from '../../base/abort.js';
import { diskFailure, onDisk } from '../../base/disk.js';
import { Failure, isFailure } from '../../base/errors.js';
import type { Inode, RemoteId, VersionId } from '../../base/ids.js';
import type { OpenBlob } from '../../cache/open-blob.js';
import { RangeSet } from '../../cache/ranges.js';
import type { ContentVersion } from '../../cache/source.js';
import { type Gaps, NO_REMOTE, NO_VERSION } from '../intents/intent.js';

const read = promisify(readCallback);
const write = promisify(writeCallback);
const fsync = promisify(fsyncCallback);
/** Bytes that the base is brought in with at a time. */
const FILL_STEP_BYTES = 2 ** 20;
/** File times move in steps (a tick of the kernel): two writes within one, milliseconds, may show the same time. */
const TIME_GRAIN = 20;
/** Milliseconds that a time lies back which no write can have. */
const SETTLED_MS = 1000;
/** How often a file that is written to all the time is synced in the thread pool. */
const SYNC_ROUNDS = 4;

/** A folder and a name in it. */
interface Place {
  readonly parent: Inode | undefined;
  readonly name: string;
}

interface Seen {
  readonly size: number;
  readonly mtimeMs: number;
  /** Nothing shows that it changed, but it may have, since times move in steps. */
  readonly isDoubtful?: true;
}

/** Bytes, seconds since the epoch, and what the content changed to since `acknowledged`, if it did. */
export interface Look {
  readonly size: number;
  readonly mtime: number;
  readonly changed: Seen | undefined;
}

/**
 * The content of a file as it is here: a staging file that readers and writers share. Where it was made from a version
 * that is not wholly here, the rest is brought in while people write; what they wrote is never overwritten.
 */
export class WorkingFile {
  readonly fd: number;
  /** The version whose content it began with, or that the server made of it last. */
  madeFrom: VersionId = NO_VERSION;
  /** The document that it began as, by whatever number that is known now. */
  madeOf: RemoteId = NO_REMOTE;
  /** Open handles, and those among them that may write. */
  handles = 0;
  writers = 0;
  /** Something was written since the last `acknowledged`. */
  #dirty = false;
  /** Beginnings and ends of writes that came through the daemon. */
  #writes = 0;
  #failed = false;
  #inode: Inode;
  #aside: Place | undefined;
  #isUnlinked = false;
  #seen: Seen;
  /** The time that was set, while nothing was written since. */
  #mtime: { readonly shown: number; readonly at: number } | undefined;
  #base: { readonly blob: OpenBlob; readonly version: ContentVersion; size: number } | undefined;
  #here: RangeSet | undefined;
  #filling: Promise<void> | undefined;
  /** Ends bringing in the base. */
  #stop: AbortController | undefined;
  #closed = false;
  #syncing = 0;

  constructor(inode: Inode, fd: number) {
    this.#inode = inode;
    this.fd = fd;
    this.#seen = this.#stat();
  }

  get inode(): Inode {
    return this.#inode;
  }

  /** Where it was when another version took its place; undefined: it is what the tree has under its inode. */
  get aside(): Place | undefined {
    return this.#aside;
  }

  goAside(inode: Inode, place: Place): void {
    this.#inode = inode;
    this.#aside = place;
  }

  become(inode: Inode): void {
    this.#inode = inode;
  }

  /** What was written to it aside is an item of its own now. */
  recorded(): void {
    this.#aside = undefined;
    this.madeFrom = NO_VERSION;
  }

  /** Nobody wants what is written to it any more. */
  unlinked(): void {
    this.#isUnlinked = true;
  }

  get isUnlinked(): boolean {
    return this.#isUnlinked;
  }

  /** Content comes from `blob` (closed by this object) where nothing was written. */
  startFrom(blob: OpenBlob, version: ContentVersion): void {
    ftruncateSync(this.fd, version.size);
    this.#bringIn(blob, version, [0, version.size]);
  }

  /** What it holds so far is no change. Its time goes so far back that each write from now on shows in it. */
  settle(): void {
    this.#setTime(this.#stat().mtimeMs - SETTLED_MS);
    this.#seen = this.#stat();
  }

  /** As `startFrom`, where an earlier working file of this content ended with `gaps`. */
  resumeFrom(blob: OpenBlob, version: ContentVersion, gaps: Gaps): void {
    this.#bringIn(blob, version, gaps.missing);
  }

  /** What is still to come; undefined: nothing. */
  get gaps(): Gaps | undefined {
    if (!this.#base) return undefined;
    const { version, size } = this.#base;
    const missing: number[] = [];
    for (let gap = this.#nextGap(); gap; gap = this.#here!.gap(gap.end, size)) missing.push(gap.start, gap.end);
    if (missing.length === 0) return undefined;
    return { item: version.remoteId, version: version.id, size: version.size, missing };
  }

  /** Everything is in the staging file: it can serve without the daemon. */
  get isComplete(): boolean {
    return this.#base === undefined;
  }

  get size(): number {
    return fstatSync(this.fd).size;
  }

  /** Bytes, and seconds since the epoch. */
  get stat(): { readonly size: number; readonly mtime: number } {
    return this.#shown(this.#stat());
  }

  async read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array> {
    const base = this.#base;
    if (base) {
      const end = Math.min(offset + length, base.size);
      for (let gap = this.#here?.gap(offset, end); gap && this.#base; gap = this.#here?.gap(offset, end))
        await this.#bring(gap.start, gap.end, signal);
    }
    const buffer = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await read(this.fd, buffer, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }

  /** @throws Failure `disk-full` */
  async write(offset: number, data: Uint8Array): Promise<number> {
    this.#dirty = true;
    this.#writes++;
    let done = 0;
    try {
      while (done < data.length) {
        // While the base is brought in, a write is one step: what failed must still come from the base.
        const here = this.#here;
        const bytesWritten = here
          ? writeSync(this.fd, data, done, data.length - done, offset + done)
          : (await write(this.fd, data, done, data.length - done, offset + done)).bytesWritten;
        here?.add(offset + done, offset + done + bytesWritten);
        done += bytesWritten;
      }
      return done;
    } catch (error) {
      if (done > 0) return done;
      this.#failed = true;
      throw diskFailure(error);
    } finally {
      this.#writes++;
    }
  }

  /** A write failed since the content was begun: some of it may be missing. */
  get failed(): boolean {
    return this.#failed;
  }

  truncate(size: number): void {
    onDisk(() => ftruncateSync(this.fd, size));
    this.#dirty = true;
    this.#writes++;
    if (size === 0) this.#failed = false;
    if (this.#base && size < this.#base.size) {
      this.#base.size = size;
      if (size === 0) this.#endBase();
    }
  }

  /** What the content is, and whether it changed since `acknowledged`; passthrough writes show only in the times. */
  look(): Look {
    const now = this.#stat();
    const stat = this.#shown(now);
    if (this.#dirty || now.size !== this.#seen.size || now.mtimeMs !== this.#seen.mtimeMs)
      return { ...stat, changed: now };
    const isDoubtful = this.writers > 0 && Date.now() - now.mtimeMs < TIME_GRAIN;
    return { ...stat, changed: isDoubtful ? { ...now, isDoubtful } : undefined };
  }

  /** What was `changed` is written down: the next one tells only what happened since. In one step with it. */
  acknowledged(seen: Seen): void {
    this.#dirty = false;
    this.#seen = seen;
  }

  /** As utimens(2), or the time that content had before it came here: no change of the content. Seconds. */
  setMtime(mtime: number): void {
    this.#mtime = { shown: mtime, at: fstatSync(this.fd).mtimeMs };
  }

  /**
   * Everything is on the platter when this resolves. In the thread pool: it may be gigabytes.
   * @throws Failure `interrupted` when it was closed meanwhile, `disk-full`, `disk-failed`
   */
  async sync(): Promise<void> {
    for (let round = 1; round <= SYNC_ROUNDS; round++) if (await this.#syncOnce()) return;
    // What a busy writer has brought since the last round is little.
    this.syncNow();
  }

  /** As `sync`, on this thread: where little can have come since it was synced last. */
  syncNow(): void {
    onDisk(() => fsyncSync(this.fd));
  }

  /** False: something was written meanwhile. */
  async #syncOnce(): Promise<boolean> {
    if (this.#closed) throw new Failure('interrupted');
    const before = { ...this.#stat(), writes: this.#writes };
    this.#syncing++;
    try {
      await fsync(this.fd);
      const { size, mtimeMs } = this.#stat();
      return !this.#closed && before.writes === this.#writes && before.size === size && before.mtimeMs === mtimeMs;
    } catch (error) {
      throw diskFailure(error);
    } finally {
      this.#syncing--;
      if (this.#closed && this.#syncing === 0) closeSync(this.fd);
    }
  }

  /** Resolves when everything is in the staging file. @throws Failure of the download, or what the signal says */
  async complete(signal?: AbortSignal): Promise<void> {
    if (!this.#base || !this.#stop) return;
    this.#filling ??= this.#fill(this.#stop.signal);
    await abortable(this.#filling, signal);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop?.abort(new Failure('interrupted'));
    this.#endBase();
    // Its number must not become another file's while the thread pool has it.
    if (this.#syncing === 0) closeSync(this.fd);
  }

  #bringIn(blob: OpenBlob, version: ContentVersion, missing: readonly number[]): void {
    const end = missing.at(-1) ?? 0;
    if (end === 0) {
      blob.close();
      return;
    }
    this.#base = { blob, version, size: end };
    this.#here = new RangeSet();
    this.#here.add(0, end);
    for (let i = 0; i < missing.length; i += 2) this.#here.remove(missing[i]!, missing[i + 1]!);
    this.#stop = new AbortController();
    this.#filling = this.#fill(this.#stop.signal);
    // Whoever needs the rest gets the error from `complete`.
    this.#filling.catch(() => undefined);
  }

  async #fill(signal: AbortSignal): Promise<void> {
    try {
      for (let gap = this.#nextGap(); gap; gap = this.#nextGap())
        await this.#bring(gap.start, Math.min(gap.end, gap.start + FILL_STEP_BYTES), signal);
      this.#endBase();
    } catch (error) {
      this.#filling = undefined;
      if (!isFailure(error, 'interrupted')) throw error;
    }
  }

  #nextGap(): { start: number; end: number } | undefined {
    return this.#base && this.#here?.gap(0, this.#base.size);
  }

  async #bring(start: number, end: number, signal: AbortSignal): Promise<void> {
    const base = this.#base;
    if (!base) return;
    const data = await base.blob.read(start, end - start, signal);
    if (data.length === 0) throw new Failure('download-failed', { path: String(this.inode) });
    if (this.#closed || this.#base !== base) return;
    const limit = Math.min(start + data.length, base.size);
    const before = this.#stat().mtimeMs;
    // Written at once, so that nobody's write can come in between and be overwritten.
    for (let gap = this.#here!.gap(start, limit); gap; gap = this.#here!.gap(start, limit)) {
      const part = data.subarray(gap.start - start, gap.end - start);
      const bytesWritten = writeSync(this.fd, part, 0, part.length, gap.start);
      this.#here!.add(gap.start, gap.start + bytesWritten);
    }
    this.#writes++;
    // What was brought in is no change, and nobody writes past the daemon before everything is here.
    this.#setTime(before);
    if (this.#seen.mtimeMs === before) this.#seen = this.#stat();
    if (this.#mtime?.at === before) this.setMtime(this.#mtime.shown);
  }

  #endBase(): void {
    this.#base?.blob.close();
    this.#base = undefined;
    this.#here = undefined;
  }

  #setTime(ms: number): void {
    onDisk(() => futimesSync(this.fd, ms / 1000, ms / 1000));
  }

  #stat(): Seen {
    const { size, mtimeMs } = fstatSync(this.fd);
    return { size, mtimeMs };
  }

  #shown({ size, mtimeMs }: Seen): { readonly size: number; readonly mtime: number } {
    return { size, mtime: this.#mtime?.at === mtimeMs ? this.#mtime.shown : mtimeMs / 1000 };
  }
}
