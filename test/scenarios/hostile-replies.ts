import { isFailure } from '#src/base/errors.js';
import type { OpenBlob } from '#src/cache/open-blob.js';
import type { Reading } from '#src/cache/reader.js';
import type { ContentVersion } from '#src/cache/source.js';
import { eventually } from '../support/content-storage.js';
import { type HostileContent, hostileContent } from '../support/hostile-content.js';
import { bodyOf, KINDS } from '../support/hostile-storage.js';
import { randomBy } from '../support/random.js';
import type { Scenario } from './scenarios.js';

const SIZES = [1, 100, 4096, 5001, 70_000, 131_072, 300_000, 700_000, 1_200_000, 3_000_001];
const FILES = 30;
const READERS = 8;
/** Bytes: less than all files together. */
const LIMIT = 8_000_000;
/** Replies after which the cache is closed and opened anew. */
const LIFETIME = 1000;
const HOSTILITY = 0.6;

/** What a read may end with while the storage is hostile. */
const ALLOWED = new Set([
  'download-failed',
  'wrong-size',
  'content-encoded',
  'version-changed',
  'url-expired',
  'unreachable',
  'interrupted',
]);

/** What one open handle has shown, and of which contents that may be. */
class Witness {
  #contents: number[] | undefined;

  constructor(
    readonly storage: HostileContent['storage'],
    readonly version: ContentVersion,
  ) {}

  /** False: these bytes are of no content, or of another than those before. */
  sees(start: number, bytes: Uint8Array): boolean {
    const { id } = this.version;
    if (bytes.length === 0) return true;
    this.#contents ??= Array.from({ length: this.storage.bodyNumber(id) + 1 }, (_, n) => n);
    this.#contents = this.#contents.filter((n) => bodyOf(id, n, start, start + bytes.length).equals(bytes));
    return this.#contents.length > 0;
  }
}

/**
 * Readers of a cache before a storage of which most replies are wrong or odd, in every way there is: no wrong byte is read
 * or cached, no two contents come together in one handle, and calls are made for refused URLs alone.
 */
export async function hostileReplies(t: Scenario, replies: number, seed: number): Promise<void> {
  const random = randomBy(seed + 1);
  const content = await hostileContent(t, seed, { limit: LIMIT });
  const { storage } = content;
  // No two of one size: a reply that comes twice may be taken for that to the next request on its connection, and then
  // nothing but the size tells that it belongs to another file.
  const sizeOf = (n: number): number => SIZES[n % SIZES.length]! + 7 * Math.floor(n / SIZES.length);
  const versions = Array.from({ length: FILES }, (_, n) => storage.version(n + 1, sizeOf(n)));
  const wrong: string[] = [];
  const failures = new Map<string, number>();
  let reads = 0;

  const read = async (blob: OpenBlob, witness: Witness, start: number, size: number, signal: AbortSignal) => {
    const { version } = witness;
    try {
      const bytes = await blob.read(start, size, signal);
      reads++;
      const isAll = bytes.length === Math.max(0, Math.min(size, version.size - start));
      if (!isAll || !witness.sees(start, bytes)) wrong.push(`${version.label} from ${start}: ${bytes.length} bytes`);
    } catch (error) {
      const code = isFailure(error) ? error.code : String(error);
      failures.set(code, (failures.get(code) ?? 0) + 1);
      if (!ALLOWED.has(code)) wrong.push(`${version.label} from ${start}: ${code}`);
    }
  };
  const visit = async (): Promise<void> => {
    const version = versions[Math.floor(random() * FILES)]!;
    const ahead = (['eager', 'late', 'never'] as const)[Math.floor(random() * 3)]!;
    const blob = opened(content, version, { ahead });
    if (!blob) return;
    const witness = new Witness(storage, version);
    let start = random() < 0.5 ? 0 : Math.floor(random() * version.size);
    const size = [100, 4096, 100_000, 400_000][Math.floor(random() * 4)]!;
    const isTogether = random() < 0.3;
    const leaver = new AbortController();
    const pending: Promise<void>[] = [];
    for (let n = Math.ceil(random() * 6); n > 0; n--, start += size) {
      pending.push(read(blob, witness, start, size, leaver.signal));
      if (!isTogether) await pending.at(-1);
    }
    if (isTogether && random() < 0.1) leaver.abort();
    await Promise.all(pending);
    blob.close();
  };

  storage.hostility = HOSTILITY;
  let lives = 1;
  const reader = async (isFirst: boolean): Promise<void> => {
    while (storage.total < replies) {
      if (isFirst && storage.total > lives * LIFETIME) {
        lives++;
        await content.reopen();
      }
      await visit();
      // What is cached is answered at once.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: READERS }, (_, n) => reader(n === 0)));
  const { total, refused } = storage;
  const { calls } = content;

  storage.hostility = 0;
  const never = new AbortController().signal;
  const before = wrong.length;
  const failed = new Map(failures);
  for (const version of versions) {
    const blob = content.cache.open(version);
    await read(blob, new Witness(storage, version), 0, version.size, never);
    blob.close();
  }
  const late = [...failures].filter(([code, n]) => n !== (failed.get(code) ?? 0)).map(([code]) => code);
  await eventually(() => content.cache.stats().downloading === 0, 'all downloads end');
  t.equal(late.join(), '', 'reads that fail when the storage is honest again');
  t.equal(wrong.slice(before).join(), '', 'wrong bytes then');

  storage.isGone = true;
  const cache = await content.reopen();
  let cached = 0;
  for (const version of versions) {
    if (!cache.has(version)) continue;
    cached++;
    const blob = cache.open(version);
    const witness = new Witness(storage, version);
    const bytes = await Promise.resolve(blob.read(0, version.size, never)).catch(() => undefined);
    if (!bytes || !witness.sees(0, bytes)) wrong.push(`${version.label}, cached`);
    blob.close();
  }
  t.comment(`${total} replies, ${reads} reads, ${calls} calls for ${refused} refused URLs, ${cached} cached whole`);
  t.comment(JSON.stringify(Object.fromEntries(failed)));
  t.equal(wrong.slice(0, 5).join('; '), '', 'bytes that are not those of one content');
  const unplayed = Object.keys(KINDS).filter((kind) => !storage.replies.has(kind as keyof typeof KINDS));
  t.equal(unplayed.filter((kind) => kind !== 'silence').join(), '', 'kinds of replies that did not come');
  t.ok(cached > 0, 'something is cached');
  // Of what was not refused, one a minute.
  t.ok(calls <= 1.2 * refused + 2, `${calls} calls for ${refused} refused URLs`);
}

function opened({ cache }: HostileContent, version: ContentVersion, reading: Reading): OpenBlob | undefined {
  try {
    return cache.open(version, reading);
  } catch (error) {
    // It is being opened anew.
    if (isFailure(error, 'interrupted')) return undefined;
    throw error;
  }
}
