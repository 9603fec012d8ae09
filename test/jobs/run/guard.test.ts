import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { silentLog } from '#src/base/log.js';
import { JobEngine } from '#src/jobs/engine.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { contentOf, Folders, folderOpener, put } from '../../support/jobs.js';

const HOUR = 3_600_000;

t.test('the guard counts the deletions of a day over all runs, also over restarts', async (t) => {
  const folders = new Folders(t);
  const { a, b, top } = folders;
  let now = Date.parse('2026-06-03T10:00:00Z');
  const clock = { ...systemClock, now: () => now };
  const opened = (): { engine: JobEngine; store: JobStore } => {
    const store = new JobStore(join(top, 'jobs', 'jobs.db'), clock);
    const engine = new JobEngine({ store, opener: folderOpener, folder: join(top, 'jobs'), log: silentLog, clock });
    return { engine, store };
  };
  for (let n = 0; n < 40; n++) put(a, { [`${n}.txt`]: 'x' });
  put(a, { 'd/1.txt': '1', 'd/2.txt': '2' });
  const { id } = folders.add({ delete_propagation: 'mirror', delete_guard: 10 });
  let next = 0;
  const run = async (count: number, allowDeletions = false) => {
    for (let n = 0; n < count; n++) rmSync(join(a, `${next++}.txt`));
    const { engine, store } = opened();
    const { stats } = await engine.run(id, 'manual', { allowDeletions });
    await engine.close();
    store.close();
    return { deleted: stats.deleted, failed: stats.failed, left: Object.keys(contentOf(b)).length };
  };
  await run(0);
  t.strictSame(await run(4), { deleted: 4, failed: 0, left: 38 });
  now += HOUR;
  rmSync(join(a, 'd'), { recursive: true });
  t.strictSame(await run(3), { deleted: 6, failed: 0, left: 33 }, 'a folder counts with what is in it');
  now += HOUR;
  t.strictSame(await run(1), { deleted: 0, failed: 1, left: 33 }, 'the eleventh of the day is held');
  t.match(folders.store.items(folders.store.executions(id)[0]!.id).firstFlagged(), /with 10 of the last 24 hours/);
  now += 21 * HOUR;
  t.strictSame(await run(0), { deleted: 0, failed: 1, left: 33 }, 'still within the day');
  now += HOUR + 1;
  t.strictSame(await run(0), { deleted: 1, failed: 0, left: 32 }, 'the first four are a day ago');
  t.strictSame(await run(20, true), { deleted: 20, failed: 0, left: 12 }, 'a person allows any number');
  t.strictSame(await run(3), { deleted: 3, failed: 0, left: 9 }, 'which does not count against the guard');
  t.strictSame(await run(1), { deleted: 0, failed: 1, left: 9 });
});
