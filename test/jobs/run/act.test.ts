import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Failure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import type { Result } from '#src/jobs/run/context.js';
import { RunResults } from '#src/jobs/run/results.js';
import type { RunItem, RunItems } from '#src/jobs/store/items.js';
import type { Records } from '#src/jobs/store/records.js';
import { Somebody } from '../../support/acting-sides.js';
import { contentOf, type Files, Folders, put } from '../../support/jobs.js';

const LATER = 1_700_000_000;

/** Somebody does something once the plan is made: what it was about is kept, and the next run sees it. */
async function afterThePlan(
  t: Test,
  transfer: Record<string, unknown>,
  before: (folders: Folders, run: () => Promise<unknown>) => Promise<unknown>,
  act: (folders: Folders) => void,
  kept: () => { readonly a?: Files; readonly b?: Files },
): Promise<void> {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const { id } = folders.add({ delete_propagation: 'mirror', delete_guard: false, trash_days: 0, ...transfer });
  await before(folders, () => folders.run(id));
  somebody.actsAfterThePlan(() => act(folders));
  const run = await folders.run(id);
  t.match([...folders.store.items(run.id).rows()], [{ status: 'retry' }]);
  t.match({ a: contentOf(folders.a), b: contentOf(folders.b) }, kept());
}

/** A file or folder of this name is on both sides, and gone at the source. */
const deletedAtSource =
  (name: string) =>
  async ({ a }: Folders, run: () => Promise<unknown>): Promise<void> => {
    put(a, { [name]: 'known', other: 'stays' });
    await run();
    rmSync(join(a, name));
  };

t.test('a file that is to be deleted and was changed since stays', (t) =>
  afterThePlan(
    t,
    { transfer_type: 'sync' },
    deletedAtSource('gone'),
    ({ b }) => put(b, { gone: 'changed since' }, LATER),
    () => ({ b: { gone: 'changed since' } }),
  ),
);

t.test('a folder that came in place of a file that is to be deleted stays', (t) =>
  afterThePlan(
    t,
    { transfer_type: 'sync' },
    deletedAtSource('gone'),
    ({ b }) => {
      rmSync(join(b, 'gone'));
      put(b, { 'gone/inside': 'new' });
    },
    () => ({ b: { 'gone/inside': 'new' } }),
  ),
);

t.test(
  'a destination that somebody changed is not overwritten, and neither is what came to a free place',
  async (t) => {
    await afterThePlan(
      t,
      {},
      async ({ a }, run) => {
        put(a, { file: 'one' });
        await run();
        put(a, { file: 'number two' }, LATER);
      },
      ({ b }) => put(b, { file: 'somebody else' }, LATER),
      () => ({ b: { file: 'somebody else' } }),
    );
    await afterThePlan(
      t,
      {},
      async ({ a }) => put(a, { file: 'one' }),
      ({ b }) => put(b, { file: 'somebody else' }, LATER),
      () => ({ b: { file: 'somebody else' } }),
    );
  },
);

t.test('a folder that came in place of one file of a conflict is not taken for the file', (t) =>
  afterThePlan(
    t,
    { transfer_type: 'sync', conflict_resolution: 'copy' },
    async ({ a, b }) => {
      put(a, { file: 'ours' }, LATER);
      put(b, { file: 'theirs' });
    },
    ({ b }) => {
      rmSync(join(b, 'file'));
      put(b, { 'file/inside': 'new' });
    },
    () => ({ a: { file: 'ours' }, b: { 'file/inside': 'new' } }),
  ),
);

for (const [what, act, kept] of [
  ['that was changed since', ({ a }: Folders) => put(a, { file: 'changed since' }, LATER), 'changed since'],
  ['whose copy was changed since', ({ b }: Folders) => put(b, { file: 'somebody else' }, LATER), 'one'],
  ['whose copy is gone', ({ b }: Folders) => rmSync(join(b, 'file')), 'one'],
] as const)
  t.test(`a file that was moved before, but for its source, ${what} stays there`, async (t) => {
    const somebody = new Somebody();
    const folders = new Folders(t, somebody.opener());
    const { id } = folders.add({ transfer_type: 'move', trash_days: 0 });
    put(folders.a, { file: 'one' });
    somebody.acts('before a.discard', () => {
      throw new Failure('target-denied', { target: 'a', path: 'file', why: 'it is read-only' });
    });
    await folders.run(id);
    t.ok(existsSync(join(folders.a, 'file')));
    somebody.actsAfterThePlan(() => act(folders));
    await folders.run(id);
    t.match(contentOf(folders.a), { file: kept });
  });

t.test('results that cannot be written down are written with the next ones', async (t) => {
  const finished: number[] = [];
  let isFull = true;
  const items = {
    transaction: (work: () => void): void => {
      if (isFull) throw new Error('database or disk is full');
      work();
    },
    finish: (id: number) => finished.push(id),
  };
  const records = { put: () => undefined, forget: () => undefined };
  const results = new RunResults(
    items as unknown as RunItems,
    records as unknown as Records,
    () => undefined,
    silentLog,
  );
  const add = (id: number): void => results.add({ id } as RunItem, { status: 'success', bytes: 0 } as Result, 1);
  add(1);
  results.tryToFlush();
  t.throws(() => results.flush(), /full/);
  add(2);
  isFull = false;
  results.tryToFlush();
  results.flush();
  t.strictSame(finished, [1, 2]);
});
