import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jobProjects } from '../support/job-projects.js';
import { bytesBy } from '../support/random.js';

const { admin, engine, store, add, versions, ends, folder } = await jobProjects(t);
const MIB = 2 ** 20;
const bytes = bytesBy(1, 17 * MIB);
const sha256 = createHash('sha256').update(bytes).digest('hex');
writeFileSync(join(folder, 'large.bin'), bytes);

/** Copies the folder into one of its own of the project; what fails is flagged at once. */
const job = (name: string) =>
  add({
    transfer_type: 'copy',
    source: ends.disk,
    destination: { ...ends.b, target: { path: `${ends.b.target.path}/${name}` } },
    performance: { retries: 0 },
  });

t.test('a large upload that broke goes on with the segments that are missing', async (t) => {
  const { id } = await job('segments');
  await admin.faults({
    '503-retry-after': { probability: 1, on: ['storage'], route: 'PUT', after: 2, retry_after: 0 },
  });
  t.match(await engine.run(id, 'manual'), { status: 'warn', stats: { failed: 1 } });
  await admin.noFaults();
  await admin.reset();
  t.match(await engine.run(id, 'manual'), { status: 'completed', stats: { copied: 1 } });
  const { storage } = await admin.calls();
  t.equal(storage.uploads, 2, 'two of four segments were there');
  t.equal((await versions('segments/large.bin'))?.[0], sha256);
  t.strictSame((await versions('segments/large.bin'))?.length, 1);
  t.match(await engine.run(id, 'manual'), { status: 'no_changes' });
});

t.test('a complete upload of which nothing was made is not sent again, and is forgotten afterwards', async (t) => {
  const { id } = await job('complete');
  const place = `${ends.b.target.path.slice(1)}:complete/large.bin`;
  await admin.faults({ '500-html': { probability: 1, route: 'POST /rest/v1.0/files' } });
  t.match(await engine.run(id, 'manual'), { stats: { failed: 2 } });
  await admin.noFaults();
  await admin.reset();
  t.equal(store.uploads(id).get(place)?.complete, true);
  t.match(await engine.run(id, 'manual'), { status: 'completed', stats: { copied: 2 } });
  t.equal((await admin.calls()).storage.received < MIB, true, 'only the small file was sent');
  t.equal((await versions('complete/large.bin'))?.[0], sha256);
  t.equal(store.uploads(id).get(place), undefined);
});
