import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RemoteTarget } from '#src/endpoints/remote/remote-target.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import type { Endpoint } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import { signal, write } from '../../endpoints/conformance.js';
import { contentOf, Folders, folderOpener, put, trashOf } from '../../support/jobs.js';
import { Quirky } from '../../support/quirky-targets.js';

const LATER = 1_700_000_000;

t.test('a file that is being replaced is not missing for a job that reads there meanwhile', async (t) => {
  for (const { type, publishes, isFirst = false } of [
    { type: 'sync', publishes: false },
    { type: 'publish', publishes: false },
    { type: 'publish', publishes: true },
    { type: 'sync', publishes: false, isFirst: true },
    { type: 'publish', publishes: false, isFirst: true },
  ]) {
    const folders = new Folders(t);
    const job = folders.add({ transfer_type: type, delete_propagation: 'mirror' });
    put(folders.a, { 'sub/file': 'one', 'sub/gone': 'deleted by a person', 'sub/stays': 'stays' });
    if (isFirst) put(folders.b, { 'sub/file': 'one', 'sub/stays': 'stays' });
    else await folders.run(job.id);
    // Another job, which writes there by a protocol whose steps come one after the other.
    const storage = new Quirky(folders.a, { title: 'share', ...(publishes ? { publishes } : {}) });
    const target = new RemoteTarget(storage, new StorageStaging(join(folders.top, 'staging'), 'share'));
    t.teardown(() => target.close());
    let goOn = (): void => undefined;
    const goesOn = new Promise<void>((resolve) => (goOn = resolve));
    const isAway = new Promise<void>((resolve) => {
      const rename = storage.rename.bind(storage);
      storage.rename = async (...words) => {
        await rename(...words);
        if (words[0] !== 'sub/file') return;
        resolve();
        await goesOn;
      };
    });
    const expected = (await target.stat('sub/file', signal))!;
    const trash = publishes ? { trash: { day: '2026-01-31', days: 30, job: 'b', by: 'b' } } : {};
    const replaced = write(target, 'sub/file', Buffer.from('number two'), { expected, mtime: LATER, ...trash });
    await isAway;
    rmSync(join(folders.a, 'sub/gone'));
    const run = await folders.run(job.id);
    t.match([...folders.store.items(run.id).rows(['retry', 'remediation'])], [{ status: 'retry', name: 'file' }], type);
    t.strictSame(contentOf(folders.b), { 'sub/file': 'one', 'sub/stays': 'stays' }, 'only what is gone is deleted');
    goOn();
    await replaced;
    t.equal((await folders.run(job.id)).status, 'completed');
    const { 'sub/file': file, ...others } = contentOf(folders.b);
    t.equal(file, 'number two');
    // Of a first run, which knows of neither, both are kept.
    const kept = isFirst && type === 'sync' ? ['one', 'stays'] : ['stays'];
    t.strictSame(Object.values(others).sort(), kept);
  }
});

t.test('what a job keeps for itself in its destination is nothing to a job that reads above it', async (t) => {
  for (const type of ['sync', 'publish', 'copy']) {
    const folders = new Folders(t);
    const inner = join(folders.a, 'sub');
    const source = join(folders.top, 'c');
    mkdirSync(inner, { recursive: true });
    mkdirSync(source);
    const first = folders.add({ source: { connection: { id: source } }, destination: { connection: { id: inner } } });
    put(source, { file: 'one' });
    await folders.run(first.id);
    put(source, { file: 'number two' }, LATER);
    await folders.run(first.id);
    t.strictSame(trashOf(inner), ['one']);
    const second = folders.add({ transfer_type: type });
    // Such folders of a third one lie at the destination.
    put(folders.b, { 'sub/.procorefs-trash/2026-01-01/x': 'x' });
    t.equal((await folders.run(second.id)).status, 'completed');
    const wanted = { 'sub/.procorefs-trash/2026-01-01/x': 'x', 'sub/file': 'number two' };
    t.strictSame(contentOf(folders.b), wanted, type);
    t.equal((await folders.run(second.id)).status, 'no_changes');
    t.strictSame(contentOf(folders.b), wanted);
    t.strictSame(trashOf(inner), ['one']);
  }
});

t.test('a job says whose writes its are, and names content only by what names its bytes', async (t) => {
  const seen: unknown[] = [];
  const opener: Opener = {
    ...folderOpener,
    open: async (reference, request) => {
      const side = await folderOpener.open(reference, request);
      const { write: plain } = side;
      return Object.assign(side, {
        write: (...words: Parameters<Endpoint['write']>) => {
          seen.push([words[2].writer, words[2].version]);
          return plain.apply(side, words);
        },
      });
    },
  };
  const folders = new Folders(t, opener);
  put(folders.a, { file: 'one' });
  const jobs = [folders.add(), folders.add({ destination: { connection: { id: join(folders.top, 'c') } } })];
  for (const { id } of jobs) await folders.run(id);
  // A time of modification is none: two contents can have one.
  t.strictSame(
    seen,
    jobs.map(({ id }) => [id, undefined]),
  );
});
