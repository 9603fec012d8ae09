import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Opener } from '#src/jobs/opener.js';
import { contentOf, Folders, folderOpener, put } from '../../support/jobs.js';

/** Folders of which one is an object store: it has the folders that its files imply. */
function withStore(t: Test, of: 'a' | 'b'): Folders {
  const opener: Opener = {
    ...folderOpener,
    async open(reference, request) {
      const side = await folderOpener.open(reference, request);
      if (reference.connection.id !== folders[of]) return side;
      const holds = (path: string): boolean =>
        readdirSync(join(folders[of], path), { withFileTypes: true }).some((entry) =>
          entry.isDirectory() ? holds(join(path, entry.name)) : true,
        );
      const isShown = (item: { readonly path: string; readonly folder: boolean }) =>
        item.path === '' || !item.folder || holds(item.path);
      const [list, stat] = [side.list.bind(side), side.stat.bind(side)];
      Object.defineProperty(side, 'rules', { value: { ...side.rules, emptyFolders: false } });
      side.list = async function* (folder, signal) {
        for await (const item of list(folder, signal)) if (isShown(item)) yield item;
      };
      side.stat = async (path, signal) => {
        const item = await stat(path, signal);
        return item && isShown(item) ? item : undefined;
      };
      return side;
    },
  };
  const folders = new Folders(t, opener);
  return folders;
}

t.test('the only file leaves a folder of an object store: the folder stays at the other side', async (t) => {
  const folders = withStore(t, 'b');
  const { a, b } = folders;
  put(a, { 'Permits/one.txt': '1', 'Other/two.txt': '2' });
  const job = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror' });
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 2 } });
  renameSync(join(b, 'Permits/one.txt'), join(b, 'Other/one.txt'));
  t.match(await folders.run(job.id), { stats: { copied: 1, deleted: 1, failed: 0 } });
  t.strictSame(contentOf(a), { 'Other/one.txt': '1', 'Other/two.txt': '2', 'Permits/': '' });
  t.match(await folders.run(job.id), { status: 'no_changes', stats: { deleted: 0 } });
  put(a, { 'Permits/new.txt': 'n' });
  await folders.run(job.id);
  t.ok(existsSync(join(b, 'Permits/new.txt')), 'it is used again');
});

for (const type of ['copy', 'publish', 'sync'])
  t.test(`${type}: an object store as the source empties a folder, and does not delete it`, async (t) => {
    const folders = withStore(t, 'a');
    const { a, b } = folders;
    put(a, { 'Permits/one.txt': '1', 'kept.txt': 'k' });
    const job = folders.add({ transfer_type: type, delete_propagation: 'mirror' });
    await folders.run(job.id);
    rmSync(join(a, 'Permits/one.txt'));
    mkdirSync(join(b, 'of somebody'));
    t.match(await folders.run(job.id), { stats: { deleted: 1, failed: 0 } });
    t.strictSame(contentOf(b), { 'kept.txt': 'k', 'Permits/': '', 'of somebody/': '' });
    t.match(await folders.run(job.id), { status: 'no_changes' });
  });
