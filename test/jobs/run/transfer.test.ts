import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import type { Endpoint, EndpointItem } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import { Somebody } from '../../support/acting-sides.js';
import { contentOf, Folders, put } from '../../support/jobs.js';

const lost = (): Failure => new Failure('target-busy', { target: 'b', path: 'file.txt' });

t.test('what an attempt brought there whose success was never heard of is not brought again', async (t) => {
  for (const timestamps of [undefined, true, false]) {
    const somebody = new Somebody();
    const folders = new Folders(t, somebody.opener());
    const job = folders.add(timestamps === undefined ? {} : { timestamps });
    put(folders.a, { 'file.txt': 'the bytes' });
    somebody.acts('after b.write', () => {
      throw lost();
    });
    const run = await folders.run(job.id);
    t.equal(run.status, 'completed', `timestamps ${timestamps}: ${run.reason}`);
    t.match(run.stats, { copied: 1, failed: 0 });
    t.equal((await folders.run(job.id)).status, 'no_changes');
  }
});

t.test('a file of the same size and time that somebody else put there is not taken for ours', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ transfer_type: 'move', timestamps: true });
  put(folders.a, { 'file.txt': 'the bytes' });
  somebody.acts('before b.write', () => {
    put(folders.b, { 'file.txt': 'not these' });
    throw lost();
  });
  t.equal((await folders.run(job.id)).status, 'warn');
  t.strictSame(contentOf(folders.a), { 'file.txt': 'the bytes' });
  t.strictSame(contentOf(folders.b), { 'file.txt': 'not these' });
});

t.test('a conflict whose resolution came through, unheard of, is resolved once', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ transfer_type: 'sync', conflict_resolution: 'copy' });
  put(folders.a, { 'file.txt': 'ours is longer' }, 1_700_000_000);
  put(folders.b, { 'file.txt': 'theirs' });
  somebody.acts('after b.write', () => {
    throw lost();
  });
  t.equal((await folders.run(job.id)).stats.failed, 0);
  t.same(Object.values(contentOf(folders.b)).sort(), ['ours is longer', 'theirs'], 'no third file');
});

/** A folder whose files have versions: contents that a test says, the current one last. */
function versioned(
  side: Endpoint,
  versions: () => readonly { readonly id: string; readonly text: string }[],
): Endpoint {
  const item = (found: EndpointItem): EndpointItem =>
    found.folder ? found : { ...found, version: versions().at(-1)!.id, versions: versions().length };
  const { stat, list } = side;
  return Object.assign(side, {
    stat: async (...words: Parameters<Endpoint['stat']>) => {
      const found = await stat.apply(side, words);
      return found && item(found);
    },
    async *list(...words: Parameters<Endpoint['list']>) {
      for await (const one of list.apply(side, words)) yield item(one);
    },
    versions: async () =>
      versions().map(({ id, text }) => ({
        id,
        size: text.length,
        mtime: 1_600_000_000 + Number(id),
        label: id,
        content: async () => ({ open: async () => Readable.from([Buffer.from(text)]), close: () => undefined }),
      })),
  });
}

t.test('no version goes twice, also when the last one that went is not kept any more', async (t) => {
  let versions = ['1', '2', '3'].map((id) => ({ id, text: `version ${id}` }));
  const written: string[] = [];
  const somebody = new Somebody();
  const plain = somebody.opener((side, end) => {
    if (end === 'a') return versioned(side, () => versions);
    const { write } = side;
    return Object.assign(side, {
      keepsVersions: true,
      write: async (...words: Parameters<Endpoint['write']>) => {
        const done = await write.apply(side, words);
        written.push(readFileSync(join(folders.b, words[0]), 'utf8'));
        return done;
      },
    });
  });
  const opener: Opener = {
    ...plain,
    place: async (reference) => {
      const place = await plain.place(reference);
      return { ...place, abilities: { ...place.abilities, keepsVersions: true } };
    },
  };
  const folders = new Folders(t, opener);
  const job = folders.add({ versioning: { preserve: 'native', select: 'all' } });
  put(folders.a, { 'file.txt': 'version 3' }, 1_600_000_003);
  const first = await folders.run(job.id);
  t.equal(first.status, 'completed', first.reason ?? 'all went');
  t.strictSame(written.splice(0), ['version 1', 'version 2', 'version 3']);
  // The third is purged: what is older than it went long ago.
  versions = ['1', '2', '4', '5'].map((id) => ({ id, text: `version ${id}` }));
  put(folders.a, { 'file.txt': 'version 5' }, 1_600_000_005);
  await folders.run(job.id);
  t.strictSame(written, ['version 4', 'version 5']);
});
