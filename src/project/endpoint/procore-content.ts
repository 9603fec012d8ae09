import { Readable } from 'node:stream';
import type { ContentCache } from '../../cache/cache.js';
import type { ContentVersion } from '../../cache/source.js';
import type { HeldContent } from '../../jobs/endpoint.js';

/** Bytes read at once: the cache fetches ahead by itself. */
const READ_BYTES = 2 ** 20;

/**
 * A version's bytes through the content cache, so that what a person has read is not downloaded again. The file of a wholly
 * cached one is handed out once all of it was found to be what had been written there; of any other each piece is looked
 * at when it is read.
 */
export async function cachedContent(cache: ContentCache, version: ContentVersion): Promise<HeldContent> {
  const blob = cache.open(version);
  const chunks = async function* (start: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = start; at < version.size; ) {
      const bytes = await blob.read(at, Math.min(READ_BYTES, version.size - at), signal);
      if (bytes.length === 0) return;
      at += bytes.length;
      // The cache uses its buffers again.
      const copy = Buffer.from(bytes);
      cache.sent(bytes);
      yield copy;
    }
  };
  let descriptor: number | undefined;
  try {
    if (version.size > 0 && blob.whole && (await blob.check())) descriptor = blob.fd();
  } catch {
    // Its file is gone, or nothing more can be opened: what is read tells.
  }
  return {
    open: (start, signal) => Promise.resolve(Readable.from(chunks(start, signal), { objectMode: false })),
    ...(descriptor === undefined ? {} : { descriptor }),
    close: () => blob.close(),
  };
}
