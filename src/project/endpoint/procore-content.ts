import { Readable } from 'node:stream';
import type { ContentCache } from '../../cache/cache.js';
import type { ContentVersion } from '../../cache/source.js';
import type { HeldContent } from '../../jobs/endpoint.js';

/** Bytes read at a time; the cache reads ahead by itself. */
const READ_BYTES = 2 ** 20;

/**
 * Reads a version through the content cache, so that content which a person has read is not downloaded again. For a
 * completely cached version the file's descriptor is given out, after the whole file has passed its integrity check.
 * For other versions each block is checked when it is read.
 */
export async function cachedContent(cache: ContentCache, version: ContentVersion): Promise<HeldContent> {
  const blob = cache.open(version);
  const chunks = async function* (start: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = start; at < version.size; ) {
      const bytes = await blob.read(at, Math.min(READ_BYTES, version.size - at), signal);
      if (bytes.length === 0) return;
      at += bytes.length;
      // The cache reuses its buffers.
      const copy = Buffer.from(bytes);
      blob.release(bytes);
      yield copy;
    }
  };
  let descriptor: number | undefined;
  try {
    if (version.size > 0 && blob.whole && (await blob.check())) descriptor = blob.fd();
  } catch {
    // The file is gone, or no descriptor is left: the read reports the error.
  }
  return {
    open: (start, signal) => Promise.resolve(Readable.from(chunks(start, signal), { objectMode: false })),
    ...(descriptor === undefined ? {} : { descriptor }),
    close: () => blob.close(),
  };
}
