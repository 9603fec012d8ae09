import t from 'tap';
import { isFailure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { ContentCache } from '#src/cache/cache.js';
import type { OpenBlob } from '#src/cache/open-blob.js';
import { RangeSet } from '#src/cache/ranges.js';
import { contentOf, Storage, temporaryFolder } from '../support/content-storage.js';
import fc from '../support/properties.js';

t.test('a set of ranges equals a set of numbers', async (t) => {
  const operation = fc.record({
    add: fc.boolean(),
    start: fc.nat(60),
    length: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const ranges = new RangeSet();
      const model = new Set<number>();
      for (const { add, start, length } of operations) {
        const end = start + length;
        if (add) ranges.add(start, end);
        else ranges.remove(start, end);
        for (let n = start; n < end; n++) add ? model.add(n) : model.delete(n);
        const all = Array.from({ length: 90 }, (_, n) => n);
        const inside = (n: number): boolean => ranges.has(n, n + 1);
        if (all.some((n) => inside(n) !== model.has(n)) || ranges.bytes !== model.size) return false;
        const missing = all.slice(start, 85).find((n) => !model.has(n));
        if (ranges.gap(start, 85)?.start !== missing) return false;
        const parts = [...ranges.within(start, 85)].reduce((sum, part) => sum + part.end - part.start, 0);
        if (parts !== all.slice(start, 85).filter((n) => model.has(n)).length) return false;
      }
      const copy = RangeSet.decode(ranges.encode(), 90);
      return copy?.encode().equals(ranges.encode()) === true && copy.bytes === ranges.bytes;
    }),
    { numRuns: 500 },
  );
  t.equal(RangeSet.decode(Buffer.alloc(15), 90), undefined, 'half a range');
  const outside = new RangeSet();
  outside.add(10, 91);
  t.equal(RangeSet.decode(outside.encode(), 90), undefined, 'behind the end');
  t.equal(RangeSet.decode(Buffer.alloc(16), 90), undefined, 'an empty range');
});

const SIZES = [0, 1, 4096, 70_000, 600_000, 3_000_001, 9_000_000];

t.test(
  'whatever is read, abandoned, evicted, broken and restarted: the bytes are right',
  { timeout: 200_000 },
  async (t) => {
    const storage = await Storage.start();
    t.teardown(() => storage.stop());
    const versions = SIZES.map((size, n) => storage.version(n + 1, size));
    storage.walk = versions;
    const step = fc.oneof(
      {
        weight: 12,
        arbitrary: fc.record({
          kind: fc.constant('read' as const),
          which: fc.nat(SIZES.length - 1),
          at: fc.double({ min: 0, max: 1, noNaN: true }),
          size: fc.constantFrom(1, 4096, 131_072, 1_048_576),
          sequence: fc.integer({ min: 1, max: 6 }),
          abandon: fc.constantFrom(false, false, false, true),
          parallel: fc.boolean(),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('close' as const), which: fc.nat(SIZES.length - 1) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('limit' as const), bytes: fc.constantFrom(0, 2e6, 2e7) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('break' as const), after: fc.constantFrom(0, 1000, 200_000) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
    );
    const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): Promise<void> => {
      const [folder, remove] = temporaryFolder();
      const open = (): ContentCache =>
        ContentCache.open({ folder, limit: 2e7, reserve: 0, source: storage.source, log: silentLog, descriptors: 2 });
      let cache = open();
      const blobs = new Map<number, OpenBlob>();
      const pending: Promise<void>[] = [];
      const problems: string[] = [];
      const read = async (which: number, start: number, size: number, signal: AbortSignal): Promise<void> => {
        const blob = blobs.get(which) ?? cache.open(versions[which]!);
        blobs.set(which, blob);
        const end = Math.min(start + size, SIZES[which]!);
        try {
          const bytes = await blob.read(start, size, signal);
          if (!contentOf(which + 1, Math.min(start, end), end).equals(bytes))
            problems.push(`${which}: ${start}-${end}`);
        } catch (error) {
          // Abandoned or restarted under the reader, or broken more often than is repeated.
          if (!isFailure(error, 'interrupted') && !isFailure(error, 'download-failed')) throw error;
        }
      };
      for (const one of steps) {
        if (one.kind === 'read') {
          const leaver = new AbortController();
          let start = Math.floor(one.at * SIZES[one.which]!);
          for (let n = 0; n < one.sequence; n++, start += one.size) {
            const reading = read(one.which, start, one.size, leaver.signal);
            if (one.parallel || one.abandon) pending.push(reading);
            else await reading;
          }
          if (one.abandon) setTimeout(() => leaver.abort(), 1);
        } else if (one.kind === 'close') {
          blobs.get(one.which)?.close();
          blobs.delete(one.which);
        } else if (one.kind === 'limit') await cache.setLimit(one.bytes);
        else if (one.kind === 'break') Object.assign(storage.faults, { truncate: one.after, truncations: 2 });
        else {
          await cache.close();
          await Promise.all(pending);
          blobs.clear();
          cache = open();
        }
      }
      await Promise.all(pending);
      for (const blob of blobs.values()) blob.close();
      blobs.clear();
      storage.faults.truncations = 0;
      for (const [which, size] of SIZES.entries()) {
        await read(which, 0, size, new AbortController().signal);
        blobs.get(which)!.close();
      }
      await cache.close();
      remove();
      if (problems.length > 0) throw new Error(`wrong bytes: ${problems.join(', ')}`);
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), run), {
      numRuns: 40,
      endOnFailure: true,
    });
    t.pass();
  },
);
