import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { asRemoteId, ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { MirrorStore } from '#src/mirror/database/store.js';
import type { RemoteItem } from '#src/procore/items.js';

const item = (id: number, parent: number | null, more: Partial<RemoteItem> = {}): RemoteItem => ({
  id: asRemoteId(id),
  type: 'folder',
  name: `item ${id}`,
  parentId: parent === null ? null : asRemoteId(parent),
  updatedAt: 100,
  createdAt: 100,
  deleted: false,
  recycleBin: false,
  private: false,
  readOnly: false,
  version: undefined,
  checkedOutBy: undefined,
  checkedOutUntil: undefined,
  ...more,
});

t.test('an item that is in no folder is not the root, and holds up nothing of its page', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-without-'));
  const store = new MirrorStore(join(folder, 'mirror.db'), silentLog);
  t.teardown(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  await store.ingestItems([item(7, null, { name: 'The project' })], 1000);
  const others = [item(8, null, { deleted: true }), item(9, null, { recycleBin: true }), item(10, null)];
  await store.ingestItems([...others, item(11, 7)], 1001);
  const root = store.view.item(ROOT_INODE)!;
  t.equal(root.remoteId, 7);
  t.strictSame(
    store.view.children(root.remoteId, 0, 10).map(({ name }) => name),
    ['item 11'],
  );
  for (const { id } of others) t.equal(store.view.parent(store.view.byRemoteId(id)!), undefined);
  await store.ingestItems([item(10, 7, { updatedAt: 200 })], 1002);
  t.equal(store.view.children(root.remoteId, 0, 10).length, 2, 'until it is in one');
});
