import { createHash } from 'node:crypto';
import { constants, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, Failure, type FailureCode, isFailure } from '../../base/errors.js';
import { bootId } from '../../cache/durable.js';
import { ContentCheck, damagedAt, inspected, writeAll } from '../content.js';
import { copyInKernel, localSize } from '../folder/kernel.js';
import { contentKey, continues } from '../paths.js';
import type { Content, ContentForm, WriteOptions } from '../target.js';
import type { StagedContent } from './storage.js';

/** After these failures the staged bytes are useless for another attempt, or prevent it. */
const FINAL = new Set<FailureCode>([
  'target-damaged',
  'disk-full',
  'target-changed',
  'target-denied',
  'target-exists',
  'target-full',
  'target-login',
  'target-name-refused',
  'target-outside',
  'target-too-large',
  'target-unsupported',
]);

/**
 * The local folder (0700) where the bytes for a storage are completed before any of them is sent. An interrupted fetch
 * or transfer continues from there, also in the next process.
 */
export class StorageStaging {
  readonly #folder: string;
  readonly #target: string;
  readonly #busy = new Set<string>();
  /** Files staged for an attempt that may follow while this is open. */
  readonly #passing = new Set<string>();

  /**
   * @param folder is created on first use; it needs room for the largest files that are sent in parallel
   * @param target distinguishes targets that share the folder
   */
  constructor(folder: string, target: string) {
    this.#folder = folder;
    this.#target = target;
  }

  /** @throws Failure `disk-full`, `target-failed` */
  async folder(): Promise<string> {
    const folder = this.#folder;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return folder;
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT')
        throw new Failure('disk-full', { path: 'the staging folder', disk: folder }, error);
      throw new Failure('target-failed', { target: 'making the staging folder', path: folder }, error);
    }
  }

  /**
   * Calls `send` with the content as a local file: the content's own where the storage can read that, else one created
   * here.
   * @throws Failure `target-damaged`, `disk-full`
   */
  async with<T>(
    path: string,
    content: Content,
    options: WriteOptions,
    { target, needsTime, reads }: StorageNeeds,
    send: (parcel: StagedContent) => Promise<T>,
  ): Promise<T> {
    const { size, mtime, signal } = options;
    const own = ownFile(content, reads);
    if (own !== undefined && (!needsTime || mtime === undefined) && !options.hash) {
      const found = await localSize(own);
      if (found !== size) throw damagedAt(target, path)(`${found} bytes instead of ${size}`);
      return send({ file: own, size, mtime, continues: continues(options) });
    }
    const file = await this.#place(path, options);
    this.#busy.add(file);
    try {
      await fetchContent(file, path, content, options, target);
      const result = await send({ file, size, mtime, continues: continues(options) });
      await this.#remove(file);
      return result;
    } catch (error) {
      const isFinal = isFailure(error) && FINAL.has(error.code);
      if (isFinal || !continues(options)) await this.#remove(file);
      // After an interruption, or while the target is unreachable, the file stays for days. After any other failure the
      // same run tries again.
      else if (!signal.aborted && !isFailure(error, 'target-unreachable')) this.#passing.add(file);
      throw error;
    } finally {
      this.#busy.delete(file);
    }
  }

  /**
   * The path of the staged file: the same for the same content, writer and target path. It differs after a reboot,
   * because bytes may be missing after a power failure.
   */
  async #place(path: string, options: WriteOptions): Promise<string> {
    const folder = await this.folder();
    const key = [bootId(), this.#target, path, ...contentKey(options)];
    const name = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
    for (let n = 1; ; n++) {
      const file = join(folder, n === 1 ? name : `${name}-${n}`);
      if (!this.#busy.has(file)) return file;
    }
  }

  async #remove(file: string): Promise<void> {
    this.#passing.delete(file);
    await rm(file, { force: true });
  }

  async close(): Promise<void> {
    for (const file of this.#passing) await this.#remove(file);
  }
}

/** What a storage requires of content to read it in place. */
export interface StorageNeeds {
  /** For messages. */
  readonly target: string;
  /** The file must have the content's time. */
  readonly needsTime: boolean;
  readonly reads: readonly ContentForm[];
}

/** The path by which another program can open the content, if the storage reads that form. */
function ownFile({ file, descriptor }: Content, reads: readonly ContentForm[]): string | undefined {
  if (file !== undefined && reads.includes('file')) return file;
  if (descriptor !== undefined && reads.includes('descriptor')) return `/proc/${process.pid}/fd/${descriptor}`;
  return undefined;
}

/** Completes the content in a file; the bytes of an earlier attempt are kept. */
async function fetchContent(file: string, path: string, content: Content, options: WriteOptions, target: string) {
  const { size, mtime, hash, signal } = options;
  const damaged = damagedAt(target, path);
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    let at = (await handle.stat()).size;
    if (at > size || !continues(options)) {
      await handle.truncate(0);
      at = 0;
    }
    const local = content.descriptor ?? content.file;
    if (at === 0 && local !== undefined) {
      const found = await localSize(local);
      if (found !== size) throw damaged(`${found} bytes instead of ${size}`);
      at = await copyInKernel(local, handle, size, signal);
    }
    const inspection = new ContentCheck(hash);
    if (at > 0 && inspection.seesAll)
      for await (const chunk of handle.createReadStream({ start: 0, autoClose: false }))
        inspection.add(chunk as Buffer);
    else inspection.skip(at);
    if (at < size || size === 0)
      for await (const bytes of inspected(content, at, inspection, options, damaged)) {
        await writeAll(handle, bytes, at);
        at += bytes.length;
      }
    const fault = inspection.fault(size);
    if (fault !== undefined) throw damaged(fault);
    if (mtime !== undefined) await handle.utimes(mtime, mtime);
  } catch (error) {
    if (errnoOf(error) === 'ENOSPC') throw new Failure('disk-full', { path, disk: file }, error);
    throw error;
  } finally {
    await handle.close();
  }
}
