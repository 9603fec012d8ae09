import t from 'tap';
import { asNodeId, ROOT_NODE } from '#src/base/ids.js';
import { seedsFrom } from '../scenarios/interleave.js';
import { kernelShadow, ShadowKernel } from '../support/kernel-shadow.js';
import { until } from '../support/processes.js';
import { context, fileSystemOf, openProject, polled } from '../support/project.js';

t.test('what the kernel believes of two mounts is what they would answer', (t) => kernelShadow(t, seedsFrom(1, 30)));

t.test('what a colleague moves while it gets another name here is nowhere but there', async (t) => {
  const { project, simulator } = await openProject(t, {}, { settle: 3_600_000 });
  const { admin } = simulator;
  await admin.changes([
    { op: 'create', path: 'X', type: 'folder' },
    { op: 'create', path: 'old', content: 'x' },
  ]);
  await until(() => project.mirror.view.crawlDone);
  await polled(project);
  const mount = new ShadowKernel(fileSystemOf(project));
  t.teardown(() => mount.fs.destroy());
  const root = asNodeId(ROOT_NODE);
  await mount.rename(root, 'old', root, 'new');
  await mount.lookup(root, 'new');
  await admin.change({ op: 'move', path: 'old', to: 'X' });
  await project.scheduler.drain(context.signal);
  await polled(project);
  for await (const what of mount.untruths()) t.fail(what);
  await t.rejects(mount.lookup(root, 'new'), /ENOENT|no-such-item/);
  t.ok(await mount.lookup(await mount.lookup(root, 'X'), 'new'));
});

t.test('what took the place of a document shows what becomes of that', async (t) => {
  const { project, simulator } = await openProject(t, {}, { settle: 3_600_000 });
  const { admin } = simulator;
  await admin.changes(['a', 'b'].map((path) => ({ op: 'create', path, content: path })));
  await until(() => project.mirror.view.crawlDone);
  await polled(project);
  const mount = new ShadowKernel(fileSystemOf(project));
  t.teardown(() => mount.fs.destroy());
  const root = asNodeId(ROOT_NODE);
  await mount.rename(root, 'a', root, 'b');
  const node = await mount.lookup(root, 'b');
  await mount.getattr(node);
  await admin.change({ op: 'permission', path: 'b', private: true });
  await polled(project);
  for await (const what of mount.untruths()) t.fail(what);
  t.equal((await mount.fs.getattr(node, undefined, context)).attributes.mode & 0o777, 0o600);
});

t.test('a folder that is made anew at the server has nothing of the one before it', async (t) => {
  const { project, simulator } = await openProject(t, {}, { settle: 3_600_000 });
  const { admin } = simulator;
  await until(() => project.mirror.view.crawlDone);
  const mount = new ShadowKernel(fileSystemOf(project));
  t.teardown(() => mount.fs.destroy());
  const root = asNodeId(ROOT_NODE);
  await mount.mkdir(root, 'F');
  await project.scheduler.drain(context.signal);
  await admin.change({ op: 'create', path: 'F/theirs', content: 'x' });
  await polled(project);
  const folder = await mount.lookup(root, 'F');
  t.ok(await mount.lookup(folder, 'theirs'));
  await admin.change({ op: 'delete', path: 'F' });
  await mount.create(folder, 'ours');
  await mount.closeAll();
  await mount.rename(root, 'F', root, 'G');
  await project.scheduler.drain(context.signal);
  await polled(project);
  t.strictSame(
    (await admin.tree({ hash: false })).map(({ path }) => path).filter((path) => path.startsWith('G')),
    ['G', 'G/ours'],
  );
  await t.rejects(mount.lookup(folder, 'theirs'), /ENOENT/);
  for await (const what of mount.untruths()) t.fail(what);
});

t.test('who has a file open at one mount reads what is written to it through the other', async (t) => {
  const { project, simulator } = await openProject(t, {}, { settle: 3_600_000 });
  await simulator.admin.change({ op: 'create', path: 'a.txt', content: 'a long content of before' });
  await until(() => project.mirror.view.crawlDone);
  await polled(project);
  const [reader, writer] = [1, 2].map(() => new ShadowKernel(fileSystemOf(project))) as [ShadowKernel, ShadowKernel];
  t.teardown(() => {
    for (const { fs } of [reader, writer]) fs.destroy();
  });
  const root = asNodeId(ROOT_NODE);
  const node = await reader.lookup(root, 'a.txt');
  const { handle } = await reader.fs.open(node, 0, context);
  const content = async (): Promise<string> => String((await reader.fs.read(node, handle, 0, 100, context)).bytes);
  const size = async (): Promise<number> => (await reader.fs.getattr(node, handle, context)).attributes.size;
  t.equal(await content(), 'a long content of before');
  const written = await writer.lookup(root, 'a.txt');
  await writer.open(written, true);
  await writer.append(written, 'now');
  t.strictSame([await content(), await size()], ['now', 3]);
  await writer.close(written);
  t.strictSame([await content(), await size()], ['now', 3]);
  reader.fs.release(node, handle);
});
