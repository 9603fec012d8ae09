import { constants, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, Failure } from '../../base/errors.js';
import { damagedAt, Inspection, inspected, writeAll } from '../content.js';
import { copyInKernel, sizeOf } from '../folder/kernel.js';
import { nameOf, partPath } from '../paths.js';
import type { Content, ContentForm, WriteOptions } from '../target.js';
import { temporaryFolder } from '../temporary.js';
import type { Parcel } from './storage.js';

/**
 * The local folder (0700) where the bytes for a storage are made complete before any of them is sent. What broke off
 * while it was fetched goes on from there.
 */
export class Staging {
  readonly #above: string;
  #folder: Promise<string> | undefined;

  /** @param above the folder to make it in: it needs room for the largest files that are sent at once */
  constructor(above = tmpdir()) {
    this.#above = above;
  }

  async folder(): Promise<string> {
    this.#folder ??= temporaryFolder('procorefs-staging-', this.#above);
    try {
      return await this.#folder;
    } catch (error) {
      // There may be room when it is asked for again.
      this.#folder = undefined;
      throw error;
    }
  }

  /**
   * Runs `send` with the content as a local file: the content's own where the storage reads that, else one made here.
   * @throws Failure `target-damaged`, `disk-full`
   */
  async with<T>(
    path: string,
    content: Content,
    options: WriteOptions,
    { target, needsTime, reads }: StorageNeeds,
    send: (parcel: Parcel) => Promise<T>,
  ): Promise<T> {
    const { size, mtime } = options;
    const own = ownFile(content, reads);
    if (own !== undefined && (!needsTime || mtime === undefined) && !options.hash) {
      const found = await sizeOf(own);
      if (found !== size) throw damagedAt(target, path)(`${found} bytes instead of ${size}`);
      return send({ file: own, size, mtime });
    }
    const file = join(await this.folder(), nameOf(partPath(path, options)));
    await fetch(file, path, content, options, target);
    const result = await send({ file, size, mtime });
    await rm(file, { force: true });
    return result;
  }

  async close(): Promise<void> {
    const folder = await this.#folder?.catch(() => undefined);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** What of content a storage reads where it lies. */
export interface StorageNeeds {
  /** For messages. */
  readonly target: string;
  /** The file must bear the content's time. */
  readonly needsTime: boolean;
  readonly reads: readonly ContentForm[];
}

/** Where another program can open the content, if it reads what is there. */
function ownFile({ file, descriptor }: Content, reads: readonly ContentForm[]): string | undefined {
  if (file !== undefined && reads.includes('file')) return file;
  if (descriptor !== undefined && reads.includes('descriptor')) return `/proc/${process.pid}/fd/${descriptor}`;
  return undefined;
}

/** Makes the content complete in a file; what an earlier attempt brought there is kept. */
async function fetch(file: string, path: string, content: Content, options: WriteOptions, target: string) {
  const { size, mtime, hash, signal } = options;
  const damaged = damagedAt(target, path);
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    let at = (await handle.stat()).size;
    if (at > size) {
      await handle.truncate(0);
      at = 0;
    }
    const local = content.descriptor ?? content.file;
    if (at === 0 && local !== undefined) {
      const found = await sizeOf(local);
      if (found !== size) throw damaged(`${found} bytes instead of ${size}`);
      at = await copyInKernel(local, handle, size, signal);
    }
    const inspection = new Inspection(hash);
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
    if (error instanceof Failure && error.code === 'target-damaged') await rm(file, { force: true });
    if (errnoOf(error) === 'ENOSPC') throw new Failure('disk-full', { path, disk: file }, error);
    throw error;
  } finally {
    await handle.close();
  }
}
