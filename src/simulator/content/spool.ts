import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Given } from './contents.js';

const IN_MEMORY = 256 * 1024;

/** Stores uploads: small ones in memory, larger ones in a temporary folder that `close` removes. */
export class UploadSpool {
  #folder: Promise<string> | undefined;

  /** Reads `source` to its end; passes each chunk to `seen`. Removes its file on failure. */
  async keep(source: AsyncIterable<Buffer>, seen: (chunk: Buffer) => void): Promise<Given> {
    const chunks: Buffer[] = [];
    let size = 0;
    let file: FileHandle | undefined;
    let path = '';
    try {
      for await (const chunk of source) {
        seen(chunk);
        size += chunk.length;
        if (file) {
          await file.appendFile(chunk);
          continue;
        }
        chunks.push(Buffer.from(chunk));
        if (size <= IN_MEMORY) continue;
        path = join(await this.#temporary(), randomUUID());
        file = await open(path, 'wx', 0o600);
        await file.appendFile(Buffer.concat(chunks));
      }
      return file ? { file: path, size } : { bytes: Buffer.concat(chunks) };
    } catch (error) {
      if (path !== '') await rm(path, { force: true });
      throw error;
    } finally {
      await file?.close();
    }
  }

  async close(): Promise<void> {
    if (this.#folder) await rm(await this.#folder, { recursive: true, force: true });
  }

  #temporary(): Promise<string> {
    this.#folder ??= mkdtemp(join(tmpdir(), 'procorefs-simulator-'));
    return this.#folder;
  }
}
