import t from 'tap';
import { isLocalInode, LOCAL_INODES, mirrorInodeFrom } from '#src/mirror/database/inode-ranges.js';
import { until } from '../support/processes.js';
import { context, Files, openProject } from '../support/project.js';

t.test('the ranges of what is made here and what comes from the server are apart', async (t) => {
  const [first, second] = LOCAL_INODES;
  for (const { from, to } of LOCAL_INODES) {
    t.same([from - 1, from, to - 1, to].map(isLocalInode), [false, true, true, false]);
    t.same([from - 1, from, to - 1].map(mirrorInodeFrom), [from - 1, to, to]);
  }
  t.ok(first.to <= 2 ** 31, 'a program without large files can stat them');
  t.ok(second.to <= 2 ** 36, 'as node ids need it');
});

t.test('what is made here has an inode below 2^31, keeps it at the server, and no other gets it', async (t) => {
  let opened = await openProject(t, {}, { settle: 0 });
  const inoOf = async (path: string): Promise<number> =>
    (await new Files(opened.fileSystem).entry(path)).attributes.ino;
  await until(() => opened.project.mirror.view.crawlDone);
  await new Files(opened.fileSystem).write('made.txt', 'here');
  const made = await inoOf('made.txt');
  t.ok(made >= 2 ** 30 && made < 2 ** 31, String(made));
  await opened.drain();
  await opened.simulator.admin.change({ op: 'create', path: 'there.txt', content: 'there' });
  await opened.project.mirror.pollNow(context.signal);
  await until(() => new Files(opened.fileSystem).exists('there.txt'));
  opened = await opened.reopen();
  await new Files(opened.fileSystem).write('next.txt', 'here');
  t.equal(await inoOf('made.txt'), made);
  t.ok((await inoOf('there.txt')) < 2 ** 30, 'the mirror gives its own');
  const next = await inoOf('next.txt');
  t.ok(next > made && next < 2 ** 31, String(next));
});
