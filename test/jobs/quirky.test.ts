import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { RemoteTarget } from '#src/endpoints/remote/remote-target.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import { TargetEndpoint } from '#src/jobs/endpoint.js';
import { contentOf, Folders, folderOpener, put } from '../support/jobs.js';
import { QUIRKS, type Quirks, Quirky } from '../support/quirky-targets.js';

const FILES = {
  'plain.txt': 'plain',
  '.dotted': 'hidden by some',
  'backup~': 'hidden by others',
  'Upper CASE.PDF': 'case',
  'cafe\u0301.txt': 'decomposed',
  '\u00fc\u1e9e.txt': 'composed',
  'Folder/Inner É/deep.txt': 'deep',
  'Folder/Inner É/A.txt': 'A',
  '.folder/file': 'in a folder that some hide',
  'Empty/': '',
};

/** A job's destination has the quirks, its source is a folder of Linux. */
function quirkyJob(t: Test, quirks: Quirks): Folders {
  let storage: Quirky | undefined;
  const folders: Folders = new Folders(t, {
    ...folderOpener,
    open: async (reference, request) => {
      if (reference.connection.id !== folders.b) return folderOpener.open(reference, request);
      // One server for all runs.
      storage ??= new Quirky(folders.b, quirks);
      return new TargetEndpoint(new RemoteTarget(storage, new StorageStaging(folders.top, 'quirky')));
    },
  });
  put(folders.a, FILES, 1_600_000_001.5);
  return folders;
}

for (const quirks of QUIRKS)
  for (const transfer_type of ['copy', 'sync'])
    t.test(
      `a second ${transfer_type} to a target with ${quirks.title} changes nothing, and what is gone is gone`,
      async (t) => {
        const folders = quirkyJob(t, quirks);
        const before = contentOf(folders.a);
        const { id } = folders.add({ transfer_type });
        const first = await folders.run(id);
        t.match(first, { status: 'completed', stats: { copied: 9 } });
        for (const nth of ['second', 'third']) {
          const { status, stats } = await folders.run(id);
          t.match(
            { status, copied: stats.copied ?? 0, deleted: stats.deleted ?? 0, failed: stats.failed ?? 0 },
            { status: 'no_changes', copied: 0, deleted: 0, failed: 0 },
            `the ${nth} run`,
          );
        }
        t.strictSame(contentOf(folders.a), before, 'the source is as it was');
        if (transfer_type === 'copy') return;
        rmSync(join(folders.b, 'plain.txt'));
        t.match(await folders.run(id), { stats: { copied: 0, deleted: 1 } }, 'what is gone is gone');
        const { 'plain.txt': _, ...left } = before;
        t.strictSame(contentOf(folders.a), left);

        const back = folders.add({
          source: { connection: { id: folders.b } },
          destination: { connection: { id: mkdtempSync(join(folders.top, 'back-')) } },
        });
        t.match(await folders.run(back.id), { status: 'completed' }, 'as a source');
        t.match(await folders.run(back.id), { status: 'no_changes' });
      },
    );

for (const form of ['NFC', 'NFD'] as const)
  t.test(`names that a target with names in ${form} takes for one are two files there`, async (t) => {
    const folders = quirkyJob(t, { title: form, form });
    const [composed, decomposed] = ['caf\u00e9.txt', 'cafe\u0301.txt'];
    put(folders.a, { [composed]: 'one' });
    const { id } = folders.add({ transfer_type: 'sync' });
    t.match(await folders.run(id), { status: 'completed', stats: { failed: 0 } });
    t.match(await folders.run(id), { status: 'no_changes' });
    const there = Object.entries(contentOf(folders.b)).filter(([name]) => name.startsWith('caf'));
    t.strictSame(there.map(([, content]) => content).sort(), ['decomposed', 'one']);
    for (const [name, content] of there) if (content === 'decomposed') rmSync(join(folders.b, name));
    put(folders.a, { [composed]: 'two!' });
    t.match(await folders.run(id), { stats: { copied: 1, deleted: 1 } });
    t.match(await folders.run(id), { status: 'no_changes' });
    const left = (folder: string) =>
      Object.entries(contentOf(folder)).flatMap(([name, content]) => (name.startsWith('caf') ? content : []));
    t.strictSame(left(folders.a), ['two!']);
    t.strictSame(left(folders.b), ['two!'], decomposed);
  });
