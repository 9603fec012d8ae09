import t from 'tap';
import { asNodeId, ROOT_NODE } from '#src/base/ids.js';
import { giveUp } from '#src/project/discard.js';
import type { Project } from '#src/project/project.js';
import { ShadowKernel } from '../support/kernel-shadow.js';
import { soon, until } from '../support/processes.js';
import { context, Files, openProject, polled } from '../support/project.js';

async function refreshed(project: Project): Promise<void> {
  await until(() => project.mirror.view.crawlDone);
  await polled(project);
}

t.test('a listing that is read on, or anew, shows what is there now', async (t) => {
  const { fileSystem, project, simulator } = await openProject(t);
  const { admin } = simulator;
  await admin.changes([
    { op: 'create', path: 'F', type: 'folder' },
    ...['F/a', 'F/b', 'F/c', 'F/d'].map((path) => ({ op: 'create', path, content: 'x' })),
  ]);
  await refreshed(project);
  const { node } = await new Files(fileSystem).entry('F');
  const { handle } = await fileSystem.opendir(node, context);
  const namesFrom = async (cookie: number, limit: number): Promise<[string[], number]> => {
    const { entries } = await fileSystem.readdir(node, handle, cookie, limit, context);
    return [entries.map(({ name }) => name), entries.at(-1)?.cookie ?? cookie];
  };
  const [, at] = await namesFrom(0, 1);
  t.strictSame((await namesFrom(at, 10))[0], ['b', 'c', 'd']);
  await admin.changes([
    { op: 'delete', path: 'F/b' },
    { op: 'create', path: 'F/e', content: 'e' },
  ]);
  await refreshed(project);
  t.strictSame((await namesFrom(at, 10))[0], ['c', 'd', 'e'], 'what others did');
  await new Files(fileSystem).unlink('F/c');
  await new Files(fileSystem).write('F/d', 'longer');
  t.strictSame((await namesFrom(at, 10))[0], ['d', 'e'], 'and what was done here');
  const { entries } = await fileSystem.readdir(node, handle, at, 10, context);
  t.equal(entries[0]?.entry?.attributes.size, 6);
  fileSystem.releasedir(node, handle);
});

t.test('a folder that was opened before the server had it is listed as it is there', async (t) => {
  const { fileSystem, project, simulator } = await openProject(t);
  await until(() => project.mirror.view.crawlDone);
  const files = new Files(fileSystem);
  await files.mkdir('F');
  const { node } = await files.entry('F');
  const { handle } = await fileSystem.opendir(node, context);
  await project.scheduler.drain(context.signal);
  await simulator.admin.change({ op: 'create', path: 'F/theirs', content: 'x' });
  await polled(project);
  const { entries } = await fileSystem.readdir(node, handle, 0, 10, context);
  t.strictSame(
    entries.map(({ name }) => name),
    ['.', '..', 'theirs'],
  );
  fileSystem.releasedir(node, handle);
});

t.test('a large folder in which something waits to go is listed to its end', async (t) => {
  const { fileSystem, project, simulator } = await openProject(t, {}, { settle: 3_600_000, deleteDelay: 3_600_000 });
  const names = Array.from({ length: 90 }, (_, n) => `f${String(n).padStart(2, '0')}`);
  await simulator.admin.changes([
    { op: 'create', path: 'F', type: 'folder' },
    ...names.map((name) => ({ op: 'create', path: `F/${name}`, content: 'x' })),
  ]);
  await refreshed(project);
  const files = new Files(fileSystem);
  for (const name of names.slice(0, 20)) await files.unlink(`F/${name}`);
  await files.rename('F/f50', 'F/g50');
  await files.write('F/new', 'x');
  const wanted = [...names.slice(20).filter((name) => name !== 'f50'), 'g50', 'new'];
  const { node } = await files.entry('F');
  const { handle } = await fileSystem.opendir(node, context);
  for (const limit of [1, 7, 30, 1000]) {
    const found: string[] = [];
    for (let cookie = 0, end = false; !end; ) {
      const page = await fileSystem.readdir(node, handle, cookie, limit, context);
      t.ok(page.end || page.entries.length > 0, 'an empty page would be the end');
      found.push(...page.entries.map(({ name }) => name).filter((name) => !name.startsWith('.')));
      cookie = page.entries.at(-1)?.cookie ?? cookie;
      end = page.end;
    }
    t.strictSame(found.sort(), wanted, `${limit} at once`);
  }
  fileSystem.releasedir(node, handle);
});

t.test('what was cut and removed here, and comes back, has its content while it is still open', async (t) => {
  const opened = await openProject(t, {}, { settle: 3_600_000, deleteDelay: 3_600_000 });
  const { fileSystem, project, simulator } = opened;
  await simulator.admin.change({ op: 'create', path: 'a.txt', content: 'as it is there' });
  await refreshed(project);
  const mount = new ShadowKernel(fileSystem);
  const root = asNodeId(ROOT_NODE);
  const old = await mount.lookup(root, 'a.txt');
  await mount.open(old, true);
  await mount.remove(root, 'a.txt', 'unlink');
  giveUp(
    project,
    [...project.outbox.intents.all()].map(({ inode }) => inode),
  );
  await soon(async () => (await fileSystem.lookup(root, 'a.txt', context)).node !== old);
  for await (const what of mount.untruths()) t.fail(what);
  const { attributes } = await new Files(fileSystem).entry('a.txt');
  t.equal(attributes.size, 14);
  t.equal(String(await new Files(fileSystem).read('a.txt')), 'as it is there');
  await mount.closeAll();
});

t.test('who has a file open that was removed here, and comes back with another content, has the old one', async (t) => {
  const opened = await openProject(t, {}, { settle: 3_600_000, deleteDelay: 3_600_000 });
  const { fileSystem, project, simulator } = opened;
  const { admin } = simulator;
  await admin.change({ op: 'create', path: 'a.txt', content: 'first' });
  await refreshed(project);
  const files = new Files(fileSystem);
  const { node } = await files.entry('a.txt');
  const { handle } = await fileSystem.open(node, 1, context);
  await fileSystem.writable.write(node, handle, 0, Buffer.from('wrote to what is gone'), context);
  await files.unlink('a.txt');
  await admin.change({ op: 'update', path: 'a.txt', content: 'newer, of a colleague' });
  await refreshed(project);
  await opened.tryAll();
  t.equal(String(await files.read('a.txt')), 'newer, of a colleague', 'it is back');
  await files.write('a.txt', 'saved on that');
  await fileSystem.writable.flush(node, handle, context);
  fileSystem.release(node, handle);
  t.equal(String(await files.read('a.txt')), 'saved on that');
  t.equal(project.outbox.intents.size, 1, 'and waits to go up');
});
