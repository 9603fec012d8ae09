import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TargetRules } from '#src/endpoints/target.js';
import type { Endpoint } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import { contentOf, Folders, folderOpener, put } from '../../support/jobs.js';

/** What a platform makes of a name, and finds it by. */
interface Platform {
  readonly lists: (name: string) => string;
  readonly rules: Partial<TargetRules>;
}

const PLATFORMS: Readonly<Record<string, Platform>> = {
  'normalizes names': { lists: (name) => name.normalize('NFC'), rules: { normalizes: true } },
  'normalizes names, which nobody found out': { lists: (name) => name.normalize('NFC'), rules: {} },
  'gives names in lower case': { lists: (name) => name.toLowerCase(), rules: { caseInsensitive: true } },
};

/** A side that keeps names as the platform does: any form finds them, and a listing has only one. */
function disguised(side: Endpoint, { lists, rules }: Platform): Endpoint {
  Object.defineProperty(side, 'rules', { value: { ...side.rules, ...rules } });
  const { list, stat, write, mkdir, removeFolder, move, discard, content } = side;
  Object.assign(side, {
    list: (folder, signal) => list.call(side, lists(folder), signal),
    async stat(path, signal) {
      const item = await stat.call(side, lists(path), signal);
      return item && { ...item, path, name: path.slice(path.lastIndexOf('/') + 1) };
    },
    async write(path, bytes, options) {
      const item = await write.call(side, lists(path), bytes, options);
      return { ...item, path, name: path.slice(path.lastIndexOf('/') + 1) };
    },
    mkdir: (path, signal) => mkdir.call(side, lists(path), signal),
    removeFolder: (path, signal) => removeFolder.call(side, lists(path), signal),
    move: (from, to, signal) => move.call(side, lists(from), lists(to), signal),
    discard: (seen, options) => discard.call(side, { ...seen, path: lists(seen.path) }, options),
    content: (item, signal) => content.call(side, { ...item, path: lists(item.path) }, signal),
  } satisfies Partial<Endpoint>);
  return side;
}

function disguisedFolders(t: Test, of: 'a' | 'b', platform: Platform): Folders {
  const opener: Opener = {
    ...folderOpener,
    async open(reference, request) {
      const side = await folderOpener.open(reference, request);
      return reference.connection.id === folders[of] ? disguised(side, platform) : side;
    },
  };
  const folders = new Folders(t, opener);
  return folders;
}

const FILES = { 'Caf\u0065\u0301/Me\u0301nu.txt': 'm', 'Re\u0301sume\u0301.txt': 'r', 'Plain.txt': 'p' };

for (const [what, platform] of Object.entries(PLATFORMS))
  for (const transfer_type of ['sync', 'copy', 'publish'])
    t.test(`${transfer_type}: a destination that ${what} is as it should be in the second run`, async (t) => {
      const folders = disguisedFolders(t, 'b', platform);
      const { a, b } = folders;
      put(a, FILES);
      const job = folders.add({ transfer_type, delete_propagation: 'mirror', trash_days: 0 });
      t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 3 } });
      for (const time of ['second', 'third']) {
        t.match(
          await folders.run(job.id),
          { status: 'no_changes', stats: { copied: 0, deleted: 0 } },
          `the ${time} run`,
        );
        t.strictSame(contentOf(a), FILES);
      }
      const there = Object.fromEntries(Object.entries(FILES).map(([path, content]) => [platform.lists(path), content]));
      t.strictSame(contentOf(b), there);

      put(a, { 'Re\u0301sume\u0301.txt': 'changed' }, 1_600_000_100);
      rmSync(join(a, 'Caf\u0065\u0301'), { recursive: true });
      t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 1, deleted: 2, failed: 0 } });
      t.strictSame(contentOf(b), {
        [platform.lists('Re\u0301sume\u0301.txt')]: 'changed',
        [platform.lists('Plain.txt')]: 'p',
      });
      if (transfer_type !== 'sync') return;
      put(b, { [platform.lists('Re\u0301sume\u0301.txt')]: 'back' }, 1_600_000_200);
      rmSync(join(b, platform.lists('Plain.txt')));
      t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 1, deleted: 1 } });
      t.strictSame(contentOf(a), { 'Re\u0301sume\u0301.txt': 'back' });
    });

t.test('a source that lists its names in another form by now is the same source', async (t) => {
  const folders = disguisedFolders(t, 'a', PLATFORMS['gives names in lower case']!);
  const { a, b, store } = folders;
  put(a, { 'permits/plan.txt': 'p', 'one.txt': '1' });
  const job = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror' });
  await folders.run(job.id);
  // As an older release has recorded it, by the names that it had asked for.
  const records = store.records(job.id);
  records.rename('', 'permits', 'Permits', true);
  records.rename('Permits', 'plan.txt', 'Plan.txt', false);
  renameSync(join(b, 'permits'), join(b, 'aside'));
  renameSync(join(b, 'aside'), join(b, 'permits'));
  t.match(await folders.run(job.id), { status: 'no_changes', stats: { copied: 0, deleted: 0 } });
  rmSync(join(a, 'permits/plan.txt'));
  t.match(await folders.run(job.id), { stats: { deleted: 1 } });
  t.notOk(existsSync(join(b, 'permits/plan.txt')), 'it is known under the name that is listed');
});

t.test('two names that a destination takes for one stay two', async (t) => {
  const folders = disguisedFolders(t, 'b', PLATFORMS['normalizes names']!);
  put(folders.a, { 'e\u0301.txt': 'decomposed', '\u00e9.txt': 'composed' });
  const job = folders.add();
  t.match(await folders.run(job.id), { stats: { copied: 2, failed: 0 } });
  t.strictSame(Object.values(contentOf(folders.b)).sort(), ['composed', 'decomposed']);
  t.match(await folders.run(job.id), { status: 'no_changes' });
});
