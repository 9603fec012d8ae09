import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import type { Content } from '#src/endpoints/target.js';
import { cachedContent } from '#src/project/endpoint/procore-content.js';
import { versionOf } from './content-storage.js';
import { bytesBy } from './random.js';

/** How much of a version is on disk when a target asks for it. */
export const CACHED = ['whole', 'half', 'not at all'] as const;

/** Content as jobs hand it to targets: versions in a content cache, and local files. */
export class Contents {
  readonly #folder = mkdtempSync(join(tmpdir(), 'procorefs-contents-'));
  readonly #bytes = new Map<number, Buffer>();
  readonly #closing: (() => void)[] = [];
  readonly #cache = ContentCache.open({
    folder: join(this.#folder, 'cache'),
    limit: 2 ** 28,
    reserve: 0,
    log: silentLog,
    source: {
      fetch: async ({ id, size }, start, end) => ({
        total: size,
        chunks: Readable.from([this.#bytes.get(id)!.subarray(start, end)], { objectMode: false }),
      }),
    },
  });

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0)) close();
    await this.#cache.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A new version of so many bytes, which is in the cache as far as said. */
  async ofProcore(size: number, cached: (typeof CACHED)[number], signal: AbortSignal) {
    const id = this.#bytes.size + 1;
    const bytes = bytesBy(id, size);
    this.#bytes.set(id, bytes);
    const version = versionOf(id, size);
    if (cached === 'whole') await this.#cache.fetch(version, signal);
    if (cached === 'half') {
      const open = this.#cache.open(version, { ahead: 'never' });
      await open.read(0, size >> 1, signal);
      open.close();
    }
    const content = await cachedContent(this.#cache, version);
    this.#closing.push(() => content.close());
    return { bytes, content, version: String(id) };
  }

  /** The same bytes in one form only; a stream of them can be opened as well, for those who must. */
  inForms(bytes: Buffer): readonly (readonly [form: string, content: Content])[] {
    const file = join(this.#folder, `file-${this.#closing.length}`);
    writeFileSync(file, bytes);
    const descriptor = openSync(file, 'r');
    this.#closing.push(() => closeSync(descriptor));
    const open: Content['open'] = async (start) => Readable.from([bytes.subarray(start)], { objectMode: false });
    return [
      ['stream', { open }],
      ['file', { open, file }],
      ['descriptor', { open, descriptor }],
    ];
  }
}
