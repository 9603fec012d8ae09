import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import t from 'tap';
import { asInode } from '#src/base/ids.js';
import { WorkingFile } from '#src/outbox/working/working-file.js';
import { scratch } from '../support/net-server.js';
import { until } from '../support/processes.js';
import { context, Files, openProject } from '../support/project.js';

/** Files that were synced on this thread so far. */
let onThread = 0;
const { fsyncSync } = fs;
fs.fsyncSync = (fd) => {
  onThread++;
  fsyncSync(fd);
};
syncBuiltinESMExports();
t.teardown(() => {
  fs.fsyncSync = fsyncSync;
  syncBuiltinESMExports();
});

t.test('nothing is synced on the thread that answers the kernel', async (t) => {
  const open = await openProject(t, {}, { settle: 0 });
  await until(() => open.project.mirror.view.crawlDone);
  const { fileSystem } = open;
  const { writable } = fileSystem;
  const made = await writable.create(fileSystem.rootEntry.node, 'file', 0o644, 0o102, context);
  const { node } = made.entry;
  const { handle } = made.file;
  await writable.write(node, handle, 0, Buffer.alloc(100_000, 'x'), context);
  const before = onThread;
  await writable.fsync(node, handle, false, context);
  await writable.fsyncdir(fileSystem.rootEntry.node, false, context);
  fileSystem.release(node, handle);
  await new Files(fileSystem).write('other', 'content');
  await open.drain();
  t.equal(onThread, before);
});

t.test('a file that is closed while it is synced keeps its number until then', async (t) => {
  const fd = fs.openSync(`${scratch(t)}/file`, 'w+');
  const file = new WorkingFile(asInode(1), fd);
  const synced = file.sync();
  file.close();
  t.ok(fs.fstatSync(fd).isFile(), 'what is opened now gets another one');
  await t.rejects(synced, { code: 'interrupted' }, 'nobody is told that it was');
  t.throws(() => fs.fstatSync(fd), { code: 'EBADF' }, 'and then it is closed');
});
