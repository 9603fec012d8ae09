import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { parseJobBody } from '#src/jobs/definition/job-schema.js';
import { refusedKeys, transferKeys } from '#src/jobs/definition/transfer-schema.js';
import type { Opener } from '#src/jobs/opener.js';
import { contentOf, Folders, folderOpener, put, trashOf } from '../support/jobs.js';

const sides = { source: { connection: { id: 'a' } }, destination: { connection: { id: 'b' } } };
const body = (transfer: Record<string, unknown>) => parseJobBody({ name: 'x', transfer: { ...sides, ...transfer } });

t.test('every key of the model is known, or refused by name with the reason', async (t) => {
  const model = (
    'transfer_type conflict_resolution delete_propagation segment_transform encode_invalid_characters ' +
    'segment_truncate duplicate_names empty_containers large_item failure_policy versioning timestamps ' +
    'preserve_owners lock_propagation performance filter audit_level simulation_mode'
  ).split(' ');
  for (const key of model) t.ok(transferKeys.includes(key) || key in refusedKeys, key);
  for (const [key, reason] of Object.entries(refusedKeys))
    if (key !== 'impersonate_as') {
      t.throws(() => body({ [key]: true }), { code: 'job-refused', details: { why: new RegExp(key) } }, key);
      t.throws(
        () => body({ [key]: true }),
        { code: 'job-refused', details: { why: new RegExp(reason.slice(0, 20)) } },
        `${key}: why`,
      );
      t.doesNotThrow(() => body({ [key]: 'ignore' }), `${key} that asks for nothing`);
    }
  t.throws(() => body({ colour: 'red' }), { code: 'job-refused', details: { why: /colour: no such key/ } });
  for (const key of transferKeys) t.throws(() => body({ [key]: { no: 'such value' } }), { code: 'job-refused' }, key);
});

t.test('an unknown connection fails to start and touches nothing', async (t) => {
  const opener: Opener = {
    ...folderOpener,
    place: () => Promise.reject(new Failure('no-such-connection', { name: 'nobody' })),
  };
  const folders = new Folders(t, opener);
  put(folders.a, { 'one.txt': '1' });
  t.match(await folders.run(folders.add().id), { status: 'failed_to_start', reason: /nobody/ });
  t.strictSame(contentOf(folders.b), {});
});

t.test('two jobs that go around in a circle are refused', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1' });
  folders.add({ transfer_type: 'sync' });
  const back = folders.add({
    transfer_type: 'sync',
    source: { connection: { id: folders.b } },
    destination: { connection: { id: folders.a } },
  });
  t.match(await folders.run(back.id), { status: 'failed_to_start', reason: /circle/ });
  t.strictSame(contentOf(folders.b), {});
});

t.test('an emptied source deletes nothing until that is allowed', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1', 'deep/two.txt': '2' });
  const job = folders.add({ delete_propagation: 'mirror' });
  await folders.run(job.id);
  rmSync(folders.a, { recursive: true });
  t.match(await folders.run(job.id), { status: 'failed_to_start' }, 'a source that is gone');
  mkdirSync(folders.a);
  t.match(await folders.run(job.id), { status: 'warn', stats: { deleted: 0 } }, 'one that is empty');
  t.strictSame(contentOf(folders.b), { 'one.txt': '1', 'deep/two.txt': '2' });
  await folders.run(job.id, { allowDeletions: true });
  t.strictSame(contentOf(folders.b), {});
  t.strictSame(trashOf(folders.b), ['1', '2']);
});

t.test('what a folder that cannot be listed holds is not deleted; the rest goes on', async (t) => {
  const opener: Opener = {
    ...folderOpener,
    async open(reference, request) {
      const side = await folderOpener.open(reference, request);
      if (request.create || !isBroken) return side;
      const list = side.list.bind(side);
      side.list = async function* (folder, signal) {
        for await (const item of list(folder, signal)) {
          if (folder === 'broken') throw new Failure('target-denied', { target: side.root, path: folder });
          yield item;
        }
      };
      return side;
    },
  };
  let isBroken = false;
  const folders = new Folders(t, opener);
  put(folders.a, { 'broken/one.txt': '1', 'broken/two.txt': '2', 'gone.txt': 'g', 'kept.txt': 'k' });
  const job = folders.add({ delete_propagation: 'mirror' });
  await folders.run(job.id);
  isBroken = true;
  for (const path of ['broken/two.txt', 'gone.txt']) rmSync(join(folders.a, path));
  t.match(await folders.run(job.id), { status: 'warn', stats: { deleted: 1, failed: 1 } });
  t.strictSame(contentOf(folders.b), { 'broken/one.txt': '1', 'broken/two.txt': '2', 'kept.txt': 'k' });
  isBroken = false;
  t.match(await folders.run(job.id), { stats: { deleted: 1, failed: 0 } });
});

t.test('what is no file is flagged on either side, never followed or replaced', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1', 'link-there.txt': 'x' });
  put(folders.b, {});
  symlinkSync('/etc/hostname', join(folders.a, 'link'));
  symlinkSync('one.txt', join(folders.b, 'link-there.txt'));
  const run = await folders.run(folders.add().id);
  t.match(run, { status: 'warn', stats: { copied: 1, failed: 2 } });
  t.strictSame(contentOf(folders.b)['one.txt'], '1');
});

t.test('folders that only hold what is left out are not made, when empty ones are skipped', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'with/a.pdf': 'p', 'without/a.txt': 't', 'empty/': '' });
  const only = { source: [{ action: 'include', rules: [{ type: 'filter_extension', extensions: ['pdf'] }] }] };
  await folders.run(folders.add({ filter: only, empty_containers: 'skip' }).id);
  t.strictSame(contentOf(folders.b), { 'with/a.pdf': 'p' });
});
