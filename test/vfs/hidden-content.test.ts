import { closeSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT_INODE } from '#src/base/ids.js';
import { context, Files, type OpenProject, openProject } from '../support/project.js';

/** What a program reads: through the kernel from the file that it was given, or from the daemon. */
async function read({ fileSystem }: OpenProject, path: string): Promise<string> {
  const { node } = await new Files(fileSystem).entry(path);
  const { handle, backingFd } = await fileSystem.open(node, 0, context);
  try {
    if (backingFd === undefined) return String((await fileSystem.read(node, handle, 0, 10_000, context)).bytes);
    const bytes = Buffer.alloc(10_000);
    return String(bytes.subarray(0, readSync(backingFd, bytes, 0, bytes.length, 0)));
  } finally {
    fileSystem.release(node, handle);
  }
}

const blobs = ({ folder }: OpenProject): string => join(folder, 'cache', 'blobs');

function flipEach(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const fd = openSync(join(entry.parentPath, entry.name), 'r+');
    writeSync(fd, '?', 2);
    closeSync(fd);
  }
}

t.test('what is cached of older versions and the bin is looked at as all else before it is read', async (t) => {
  let open = await openProject(t);
  const { admin } = open.simulator;
  await admin.changes([
    { op: 'create', path: 'a.txt', content: 'first content' },
    { op: 'update', path: 'a.txt', content: 'second content' },
    { op: 'create', path: 'deleted.txt', content: 'deleted content' },
  ]);
  const refresh = (): Promise<void> =>
    open.project.mirror.refresh(open.project.mirror.view.item(ROOT_INODE)!, 'interactive', context.signal);
  await refresh();
  await admin.change({ op: 'delete', path: 'deleted.txt' });
  await refresh();
  const paths = {
    '.procore/versions/a.txt/1.txt': 'first content',
    '.procore/recycle/deleted.txt': 'deleted content',
  };
  const all = async (what: string): Promise<void> => {
    for (const [path, content] of Object.entries(paths)) t.equal(await read(open, path), content, `${path} ${what}`);
    t.equal(open.project.content.stats().open, 0, 'nothing stays open');
  };
  await all('fetched');
  await all('cached');
  open = await open.reopen({}, () => flipEach(blobs(open)));
  await all('damaged on the disk');
  rmSync(blobs(open), { recursive: true });
  await all('gone from the disk');
});
