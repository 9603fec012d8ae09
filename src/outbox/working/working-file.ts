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
/** Bytes of the base that are downloaded in one step. */
const FILL_STEP_BYTES = 2 ** 20;
/** Milliseconds. File times advance in steps of a kernel tick: two writes within this time may show the same mtime. */
const TIME_GRAIN = 20;
/** Milliseconds by which `settle` sets the mtime back, so that each later write changes it. */
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
  /** No change is visible but one is possible, since file times advance in steps. */
  readonly isDoubtful?: true;
}

/** Size in bytes, mtime in seconds since the epoch, and the new state if the content changed since `acknowledged`. */
export interface Look {
  readonly size: number;
  readonly mtime: number;
  readonly changed: Seen | undefined;
}

/**
 * The local content of a file: a staging file that readers and writers share. If it is based on a version that is not
 * fully on disk, the rest is downloaded while programs write. Written ranges are never overwritten.
 */
export class WorkingFile {
  readonly fd: number;
  /** The version whose content it began with, or that the server last made from it. */
  madeFrom: VersionId = NO_VERSION;
  /** The server file that it began as, under whatever inode that is known now. */
  madeOf: RemoteId = NO_REMOTE;
  /** Open handles, and those among them that may write. */
  handles = 0;
  writers = 0;
  /** Something was written since the last `acknowledged`. */
  #dirty = false;
  /** Counts starts and ends of writes through the daemon. */
  #writes = 0;
  #failed = false;
  #inode: Inode;
  #detachedPlace: Place | undefined;
  #isUnlinked = false;
  #seen: Seen;
  /** The mtime that was set, while nothing was written since. */
  #mtime: { readonly shown: number; readonly at: number } | undefined;
  #base: { readonly blob: OpenBlob; readonly version: ContentVersion; size: number } | undefined;
  #here: RangeSet | undefined;
  #filling: Promise<void> | undefined;
  /** Stops the download of the base. */
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

  /**
   * The place of a detached file when another version replaced it; undefined: it is the tree's file under its inode.
   */
  get detachedPlace(): Place | undefined {
    return this.#detachedPlace;
  }

  detach(inode: Inode, place: Place): void {
    this.#inode = inode;
    this.#detachedPlace = place;
  }

  become(inode: Inode): void {
    this.#inode = inode;
  }

  /** A detached file has become an item of its own. */
  recorded(): void {
    this.#detachedPlace = undefined;
    this.madeFrom = NO_VERSION;
  }

  /** The item is gone: what is written from now on is not kept. */
  unlinked(): void {
    this.#isUnlinked = true;
  }

  get isUnlinked(): boolean {
    return this.#isUnlinked;
  }

  /** Ranges that are not written come from `blob`, which this object closes. */
  startFrom(blob: OpenBlob, version: ContentVersion): void {
    ftruncateSync(this.fd, version.size);
    this.#bringIn(blob, version, [0, version.size]);
  }

  /** Takes the present content as unchanged. Sets the mtime back, so that each later write changes it. */
  settle(): void {
    this.#setTime(this.#stat().mtimeMs - SETTLED_MS);
    this.#seen = this.#stat();
  }

  /** As `startFrom`, with the `gaps` that an earlier working file of this content left. */
  resumeFrom(blob: OpenBlob, version: ContentVersion, gaps: Gaps): void {
    this.#bringIn(blob, version, gaps.missing);
  }

  /** Ranges that are not downloaded yet; undefined: none. */
  get gaps(): Gaps | undefined {
    if (!this.#base) return undefined;
    const { version, size } = this.#base;
    const missing: number[] = [];
    for (let gap = this.#nextGap(); gap; gap = this.#here!.gap(gap.end, size)) missing.push(gap.start, gap.end);
    if (missing.length === 0) return undefined;
    return { item: version.remoteId, version: version.id, size: version.size, missing };
  }

  /** The staging file is complete: it can serve without the daemon. */
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
        // While the base is downloaded, writes are synchronous: a range whose write failed must still come from the
        // base.
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

  /** A write has failed since the content was begun: some content may be missing. */
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

  /**
   * The content's state, and whether it changed since `acknowledged`. Passthrough writes show only in the file times.
   */
  look(): Look {
    const now = this.#stat();
    const stat = this.#shown(now);
    if (this.#dirty || now.size !== this.#seen.size || now.mtimeMs !== this.#seen.mtimeMs)
      return { ...stat, changed: now };
    const isDoubtful = this.writers > 0 && Date.now() - now.mtimeMs < TIME_GRAIN;
    return { ...stat, changed: isDoubtful ? { ...now, isDoubtful } : undefined };
  }

  /**
   * The `changed` state of a `look` is recorded: the next `look` reports only later changes. Must run in one
   * synchronous step with the record.
   */
  acknowledged(seen: Seen): void {
    this.#dirty = false;
    this.#seen = seen;
  }

  /**
   * Sets the mtime shown, in seconds, as utimens(2) or as the content had it at its source. Not a change of the
   * content.
   */
  setMtime(mtime: number): void {
    this.#mtime = { shown: mtime, at: fstatSync(this.fd).mtimeMs };
  }

  /**
   * Everything is on stable storage when this resolves. Runs in the thread pool, since it may be gigabytes.
   * @throws Failure `interrupted` when it was closed meanwhile, `disk-full`, `disk-failed`
   */
  async sync(): Promise<void> {
    for (let round = 1; round <= SYNC_ROUNDS; round++) if (await this.#syncOnce()) return;
    // A busy writer has added little since the last round.
    this.syncNow();
  }

  /** As `sync`, on this thread. Only where little can have been written since the last sync. */
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
    // The descriptor's number must not be reused while the thread pool uses it.
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
    // Callers that need the rest get the error from `complete`.
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
    // Written synchronously, so that no other write can come in between and be overwritten.
    for (let gap = this.#here!.gap(start, limit); gap; gap = this.#here!.gap(start, limit)) {
      const part = data.subarray(gap.start - start, gap.end - start);
      const bytesWritten = writeSync(this.fd, part, 0, part.length, gap.start);
      this.#here!.add(gap.start, gap.start + bytesWritten);
    }
    this.#writes++;
    // Downloaded ranges are no change, so the mtime is restored. No passthrough write occurs before the file is
    // complete.
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
