import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Somebody } from '../../support/acting-sides.js';
import { contentOf, Folders, put } from '../../support/jobs.js';

const LATER = 1_700_000_000;

/** What somebody does to a file that is being read, and what the next run makes of it at the destination. */
const ACTS: readonly (readonly [what: string, act: (path: string) => void, next: Record<string, string>])[] = [
  [
    'saved with more bytes',
    (path) => writeFileSync(path, 'as it was saved meanwhile'),
    { file: 'as it was saved meanwhile' },
  ],
  ['saved with fewer bytes', (path) => writeFileSync(path, 'less'), { file: 'less' }],
  ['removed', (path) => rmSync(path), {}],
  [
    'replaced by a folder',
    (path) => {
      rmSync(path);
      mkdirSync(path);
      writeFileSync(join(path, 'inside'), 'new');
    },
    { 'file/inside': 'new' },
  ],
];

for (const [what, act, next] of ACTS)
  t.test(`a file that is ${what} while it is copied is the next run's, and halts nothing`, async (t) => {
    const somebody = new Somebody();
    const folders = new Folders(t, somebody.opener());
    const job = folders.add({ failure_policy: 'halt', performance: { parallel_writes: { requested: 1 } } });
    put(folders.a, { file: 'these bytes', last: 'stays' });
    somebody.acts('after a.content', () => act(join(folders.a, 'file')));
    const run = await folders.run(job.id);
    t.match([...folders.store.items(run.id).rows(['retry', 'remediation'])], [{ status: 'retry', name: 'file' }]);
    t.equal(run.status, 'warn', run.reason ?? 'it ended');
    t.strictSame(contentOf(folders.b), { last: 'stays' });
    t.match(await folders.run(job.id), { status: Object.keys(next).length > 0 ? 'completed' : 'no_changes' });
    t.strictSame(contentOf(folders.b), { ...next, last: 'stays' });
  });

t.test('a file that is removed while it is compared is the next run’s', async (t) => {
  for (const end of ['a', 'b'] as const) {
    const somebody = new Somebody();
    const folders = new Folders(t, somebody.opener());
    const job = folders.add({ transfer_type: 'sync', failure_policy: 'halt' });
    put(folders.a, { file: 'these bytes' }, LATER);
    put(folders.b, { file: 'those bytes' });
    somebody.acts(`after ${end}.content`, () => rmSync(join(folders[end], 'file')));
    const run = await folders.run(job.id);
    t.match([...folders.store.items(run.id).rows(['retry', 'remediation'])], [{ status: 'retry' }], end);
    t.equal((await folders.run(job.id)).status, 'completed');
    const left = end === 'a' ? 'those bytes' : 'these bytes';
    t.strictSame([contentOf(folders.a), contentOf(folders.b)], [{ file: left }, { file: left }]);
  }
});
