import { join } from 'node:path';
import t from 'tap';
import { ROOT_INODE } from '#src/base/ids.js';
import { openDatabase } from '#src/database/open.js';
import { context, Files, openProject } from '../support/project.js';

const SIZE = 4_000_000;

t.test('the kernel forgets the bytes of a version of which the storage has others', async (t) => {
  let open = await openProject(t);
  const { admin } = open.simulator;
  const content = Array.from({ length: SIZE / 10 }, (_, n) => String(n).padStart(9, '0')).join(' ');
  await admin.change({ op: 'create', path: 'file', content });
  await open.project.mirror.refresh(open.project.mirror.view.item(ROOT_INODE)!, 'interactive', context.signal);
  const { node } = await new Files(open.fileSystem).entry('file');
  const part = async (at: number): Promise<string> => {
    const { handle } = await open.fileSystem.open(node, 0, context);
    const { bytes } = await open.fileSystem.read(node, handle, at, 1000, context);
    open.fileSystem.release(node, handle);
    return String(bytes);
  };
  t.equal(await part(0), content.slice(0, 1000));
  open = await open.reopen({}, () => {
    const db = openDatabase(join(open.folder, 'cache', 'cache.db'), {
      migrations: ['', '', ''],
      synchronous: 'NORMAL',
      damagedHint: '',
    });
    const { changes } = db.prepare(`UPDATE blobs SET etag = '"of before"' WHERE ranges IS NOT NULL`).run();
    t.equal(changes, 1, 'a part of it is cached');
    db.close();
  });
  const forgotten: unknown[] = [];
  open.fileSystem.mounted({
    canInvalidate: true,
    invalidateNode: async (...what) => forgotten.push(what) > 0,
    invalidateEntry: async () => undefined,
  });
  t.equal((await new Files(open.fileSystem).entry('file')).node, node);
  t.equal(await part(SIZE - 2000), content.slice(SIZE - 2000, SIZE - 1000));
  t.strictSame(forgotten.slice(0, 1), [[node, 0]]);
  t.equal(await part(0), content.slice(0, 1000));
});
