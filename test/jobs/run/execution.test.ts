import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import type { Endpoint } from '#src/jobs/endpoint.js';
import { Somebody } from '../../support/acting-sides.js';
import { contentOf, Folders, put } from '../../support/jobs.js';
import { until } from '../../support/processes.js';

/** One file after the other. */
const ONE = { performance: { parallel_writes: { requested: 1 }, retries: 0 } };
const five = Object.fromEntries(['b', 'c', 'd', 'e', 'f'].map((name) => [name, `content of ${name}`]));

const full = (): Failure => new Failure('target-full', { target: 'b', path: 'a file' });
const denied = (): Failure => new Failure('target-denied', { target: 'b', path: 'a file', why: 'it is read-only' });

/** Paths in the order in which they are written at the destination. */
function writing(somebody: Somebody, end: 'a' | 'b' = 'b') {
  const written: string[] = [];
  const opener = somebody.opener((side, at) => {
    if (at !== end) return side;
    const { write } = side;
    return Object.assign(side, {
      write: (...words: Parameters<Endpoint['write']>) => {
        written.push(words[0]);
        return write.apply(side, words);
      },
    });
  });
  return { written, opener };
}

t.test(
  'a destination that takes nothing more is not tried again and again, and the next run begins with what was left',
  async (t) => {
    const somebody = new Somebody();
    const { written, opener } = writing(somebody);
    const folders = new Folders(t, opener);
    const job = folders.add(ONE);
    put(folders.a, five);
    somebody.acts('before b.write', () => undefined);
    somebody.acts('before b.write', () => undefined);
    somebody.acts('before b.write', () => {
      throw new Failure('budget-exhausted', { class: 'background', until: 'soon' });
    });
    const run = await folders.run(job.id);
    t.match(run, { status: 'not_complete', stats: { copied: 2, pending: 3 } });
    t.strictSame(written.splice(0), ['b', 'c']);
    put(folders.a, { a: 'new', ...five });
    await folders.run(job.id);
    t.strictSame(written, ['d', 'e', 'f', 'a'], 'what was left goes first');
    t.strictSame(contentOf(folders.b), contentOf(folders.a));
  },
);

t.test('a full disk ends the run, and it is no item that failed', async (t) => {
  const somebody = new Somebody();
  const { written, opener } = writing(somebody);
  const folders = new Folders(t, opener);
  const job = folders.add({ performance: { parallel_writes: { requested: 1 }, retries: 3 } });
  put(folders.a, five);
  somebody.acts('before b.write', () => {
    throw full();
  });
  t.match(await folders.run(job.id), { status: 'failed', stats: { failed: 0, copied: 0, pending: 5 } });
  t.equal(written.length, 0);
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 5 } });
});

t.test('failure_policy=halt: nothing is begun after the first failure, nor where failures are known', async (t) => {
  const somebody = new Somebody();
  const { written, opener } = writing(somebody);
  const folders = new Folders(t, opener);
  const job = folders.add({ ...ONE, failure_policy: 'halt' });
  put(folders.a, five);
  somebody.acts('before b.write', () => {
    throw denied();
  });
  t.match(await folders.run(job.id), { status: 'failed', stats: { failed: 1, copied: 0, pending: 4 } });
  t.strictSame(written, []);
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 5 } });
  // What the plan itself flags.
  put(folders.a, { a: 'new', both: 'a file' });
  put(folders.b, { 'both/': '' });
  t.match(await folders.run(job.id), { status: 'failed', stats: { copied: 0 } });
  t.strictSame(Object.keys(contentOf(folders.b)), [...Object.keys(five), 'both/'].sort());
});

t.test('what is cancelled is left, not flagged', async (t) => {
  const somebody = new Somebody();
  const { written, opener } = writing(somebody);
  const folders = new Folders(t, opener);
  const job = folders.add(ONE);
  put(folders.a, five);
  somebody.acts('before b.write', () => {
    folders.engine.cancel(job.id);
    throw denied();
  });
  t.match(await folders.run(job.id), { status: 'cancelled', stats: { failed: 0, pending: 5 } });
  t.strictSame(written, []);
});

t.test('what changed at the destination under the run is tried by the next one', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ conflict_resolution: 'source' });
  put(folders.a, { one: 'ours' });
  somebody.acts('before b.write', () => put(folders.b, { one: 'theirs, of another size' }));
  const run = await folders.run(job.id);
  t.match([...folders.store.items(run.id).rows()], [{ status: 'retry' }]);
  t.strictSame(contentOf(folders.b), { one: 'theirs, of another size' });
});

t.test('a destination that cannot be written to is found before the first item, and is not made', async (t) => {
  let opened = 0;
  const somebody = new Somebody();
  const { written, opener } = writing(somebody);
  const folders = new Folders(t, {
    ...opener,
    async open(reference, request) {
      const side = await opener.open(reference, request);
      if (reference.connection.id !== folders.b) return side;
      opened++;
      return Object.assign(side, {
        test: () => Promise.resolve({ writable: false, why: 'it is read-only' }),
        ...(opened > 1 ? { stat: () => Promise.resolve(undefined) } : {}),
        mkdir: () => {
          written.push('the folder');
          return Promise.resolve();
        },
      });
    },
  });
  const job = folders.add();
  put(folders.a, five);
  t.match(await folders.run(job.id), { status: 'failed_to_start', reason: /it is read-only/, stats: { failed: 0 } });
  t.match(await folders.run(job.id), { status: 'failed_to_start', reason: /it is read-only/ });
  t.equal(opened, 2);
  t.strictSame(written, []);
});

t.test('nothing goes before all content has come', async (t) => {
  const somebody = new Somebody();
  const events: string[] = [];
  const folders = new Folders(
    t,
    somebody.opener((side, at) => {
      if (at !== 'b') return side;
      const { write, discard } = side;
      return Object.assign(side, {
        write: async (...words: Parameters<Endpoint['write']>) => {
          const done = await write.apply(side, words);
          await new Promise((resolve) => setTimeout(resolve, 20));
          events.push('written');
          return done;
        },
        discard: (...words: Parameters<Endpoint['discard']>) => {
          events.push('discarded');
          return discard.apply(side, words);
        },
      });
    }),
  );
  const job = folders.add({ delete_propagation: 'mirror', performance: { parallel_writes: { requested: 4 } } });
  put(folders.a, { gone: 'x', 'gone too': 'x' });
  await folders.run(job.id);
  for (const name of readdirSync(folders.a)) rmSync(join(folders.a, name));
  put(folders.a, five);
  events.length = 0;
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 5, deleted: 2 } });
  t.strictSame(events, [...Array(5).fill('written'), ...Array(2).fill('discarded')]);
});

t.test('a paused run begins nothing until it goes on', async (t) => {
  const somebody = new Somebody();
  const { written, opener } = writing(somebody);
  const folders = new Folders(t, opener);
  const job = folders.add(ONE);
  put(folders.a, five);
  somebody.acts('before b.write', async () => {
    folders.store.ask(job.id, 'pause');
    await until(() => folders.store.get(job.id).status === 'paused');
  });
  const run = folders.run(job.id);
  await until(() => written.length > 0);
  // Time enough to begin with another one.
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.strictSame(written, ['b']);
  folders.store.ask(job.id, 'resume');
  t.match(await run, { status: 'completed', stats: { copied: 5 } });
});

t.test('two conflicts of one second get names of their own, also when somebody takes one since the look', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ transfer_type: 'sync', conflict_resolution: 'copy' });
  put(folders.a, { 'one.txt': 'ours' }, 1_700_000_000);
  put(folders.b, { 'one.txt': 'theirs, longer' }, 1_600_000_000);
  somebody.acts('before b.move', () => {
    throw new Failure('target-exists', { target: 'b', path: 'the name' });
  });
  t.match(await folders.run(job.id), { stats: { failed: 0, copied: 1 } });
  t.strictSame(Object.values(contentOf(folders.b)).sort(), ['ours', 'theirs, longer']);
});

t.test(
  'bytes that did not all arrive are no copy, and neither are those of a file that changed meanwhile',
  async (t) => {
    const somebody = new Somebody();
    const folders = new Folders(
      t,
      somebody.opener((side, at) => {
        if (at !== 'b') return side;
        const { write } = side;
        return Object.assign(side, {
          write: async (...words: Parameters<Endpoint['write']>) => {
            const done = await write.apply(side, words);
            return words[0] === 'short' ? { ...done, size: done.size - 1 } : done;
          },
        });
      }),
    );
    const job = folders.add({ transfer_type: 'move', ...ONE });
    put(folders.a, { changed: 'as it was', short: 'all of it' });
    somebody.acts('after b.write', () => put(folders.a, { changed: 'as it is now' }, 1_700_000_000));
    const run = await folders.run(job.id);
    t.match(
      [...folders.store.items(run.id).rows()].map(({ name, status }) => [name, status]),
      [
        ['changed', 'retry'],
        ['short', 'remediation'],
      ],
    );
    t.strictSame(contentOf(folders.a), { changed: 'as it is now', short: 'all of it' }, 'nothing leaves the source');
  },
);
