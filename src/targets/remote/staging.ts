import { open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, Failure } from '../../base/errors.js';
import { damagedAt, Inspection, inspected } from '../content.js';
import { nameOf, partPath } from '../paths.js';
import type { Content, WriteOptions } from '../target.js';
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
   * Runs `send` with the content as a local file.
   * @param needsTime whether the file must bear the content's time
   * @throws Failure `target-damaged`, `disk-full`
   */
  async with<T>(
    path: string,
    content: Content,
    options: WriteOptions,
    { target, needsTime }: { readonly target: string; readonly needsTime: boolean },
    send: (parcel: Parcel) => Promise<T>,
  ): Promise<T> {
    const { size, mtime } = options;
    if (content.file !== undefined && (!needsTime || mtime === undefined) && !options.hash) {
      const found = (await stat(content.file)).size;
      if (found !== size) throw damagedAt(target, path)(`${found} bytes instead of ${size}`);
      return send({ file: content.file, size, mtime });
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

async function fetch(file: string, path: string, content: Content, options: WriteOptions, target: string) {
  const handle = await open(file, 'a+', 0o600);
  try {
    const start = (await handle.stat()).size;
    const inspection = new Inspection(options.hash);
    if (start > 0 && inspection.seesAll)
      for await (const chunk of handle.createReadStream({ start: 0, autoClose: false }))
        inspection.add(chunk as Buffer);
    else inspection.skip(start);
    const damaged = damagedAt(target, path);
    try {
      for await (const bytes of inspected(content, start, inspection, options, damaged)) await handle.appendFile(bytes);
      const fault = inspection.fault(options.size);
      if (fault !== undefined) throw damaged(fault);
    } catch (error) {
      if (error instanceof Failure && error.code === 'target-damaged') await rm(file, { force: true });
      if (errnoOf(error) === 'ENOSPC') throw new Failure('disk-full', { path, disk: file }, error);
      throw error;
    }
    if (options.mtime !== undefined) await handle.utimes(options.mtime, options.mtime);
  } finally {
    await handle.close();
  }
}
