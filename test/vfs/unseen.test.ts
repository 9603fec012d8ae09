import t, { type Test } from 'tap';
import { asInode, type NodeId, ROOT_NODE } from '#src/base/ids.js';
import { until } from '../support/processes.js';
import { context, Files, type OpenProject, openProject, polled } from '../support/project.js';

const THEIRS = 'of a colleague';

interface Looked extends OpenProject {
  readonly files: Files;
  /** Of the folder that holds the document. */
  readonly parent: NodeId;
}

/**
 * Somebody has looked at `d/a.txt`. A colleague changes it, and the folder is to be listed before anything is done in it,
 * which brings that change.
 */
async function changedUnseen(t: Test, change: (open: OpenProject) => Promise<unknown>): Promise<Looked> {
  const open = await openProject(t, {}, { pollInterval: 3600 });
  const { project, simulator, fileSystem } = open;
  for (const name of ['a.txt', 'gone.txt'])
    await simulator.admin.change({ op: 'create', path: `d/${name}`, parents: true, content: 'seen' });
  const files = new Files(fileSystem);
  await until(() => project.mirror.view.crawlDone);
  await polled(project);
  t.equal(String(await files.read('d/a.txt')), 'seen');
  await files.write('new', 'ours');
  const { view, store } = project.mirror;
  const gone = view.item(asInode((await files.entry('d/gone.txt')).node))!;
  const parent = (await files.entry('d')).node;
  await change(open);
  await store.confirmDeletion(gone.remoteId, 0);
  t.equal(view.isListed(gone.parentId), false);
  return { ...open, files, parent };
}

const saved = ({ simulator }: OpenProject): Promise<unknown> =>
  simulator.admin.change({ op: 'update', path: 'd/a.txt', content: THEIRS });

async function atServer({ simulator }: OpenProject): Promise<Record<string, number>> {
  const tree = await simulator.admin.tree();
  return Object.fromEntries(tree.filter(({ type }) => type === 'file').map(({ path, size }) => [path, size]));
}

t.test('who removes a document removes what the mount showed, not what a listing brings meanwhile', async (t) => {
  const open = await changedUnseen(t, saved);
  await open.fileSystem.writable.unlink(open.parent, 'a.txt', context);
  await open.drain();
  t.equal((await atServer(open))['d/a.txt'], THEIRS.length);
  t.equal(String(await open.files.read('d/a.txt')), THEIRS);
});

t.test('who saves over a document by a rename replaces what the mount showed', async (t) => {
  const open = await changedUnseen(t, saved);
  await open.fileSystem.writable.rename(ROOT_NODE, 'new', open.parent, 'a.txt', true, context);
  await open.drain();
  const sizes = Object.entries(await atServer(open)).filter(([path]) => path.startsWith('d/a'));
  t.strictSame(sizes.map(([, size]) => size).sort(), [THEIRS.length, 'ours'.length].sort(), String(sizes));
});

t.test('what takes the place of another document meanwhile is neither removed nor replaced', async (t) => {
  const open = await changedUnseen(t, async ({ simulator: { admin } }) => {
    await admin.change({ op: 'delete', path: 'd/a.txt' });
    await admin.change({ op: 'create', path: 'd/a.txt', content: 'another' });
  });
  const { writable } = open.fileSystem;
  await t.rejects(writable.unlink(open.parent, 'a.txt', context) as Promise<void>, { code: 'version-gone' });
  t.equal(String(await open.files.read('d/a.txt')), 'another');
});

t.test('what came over our own version, which is confirmed meanwhile, is not removed unseen', async (t) => {
  const open = await changedUnseen(t, async ({ project, fileSystem }) => {
    await new Files(fileSystem).write('d/a.txt', 'ours');
    const [own] = [...project.outbox.intents.all()].filter(({ here }) => here.name === 'a.txt');
    t.ok(own);
  });
  const { tree } = open.project.outbox;
  const node = (await open.files.entry('d/a.txt')).node;
  const seen = tree.item(asInode(node))!;
  t.ok(seen.intent);
  const confirmed = { ...seen, intent: undefined };
  t.equal(tree.asSeen(confirmed as never, seen).versionId, seen.versionId, 'ours, as it was seen');
  const theirs = { ...confirmed, sequence: seen.sequence + 1, versionId: seen.versionId + 1 };
  t.equal(tree.asSeen(theirs as never, seen).versionId, seen.versionId, 'not the one that came since');
  t.throws(() => tree.asSeen({ ...theirs, intent: seen.intent } as never, seen), { code: 'version-gone' });
});
