import t from 'tap';
import { ROOT_INODE } from '#src/base/ids.js';
import type { Item } from '#src/mirror/database/view.js';
import { restorePath } from '#src/project/restore.js';
import { RecycleTree } from '#src/vfs/hidden/recycle-tree.js';
import { until } from '../support/processes.js';
import { Files, openProject } from '../support/project.js';

const { project, simulator, fileSystem } = await openProject(t);
const { admin } = simulator;
const files = new Files(fileSystem);
const bin = new RecycleTree(project.mirror);
await until(() => project.mirror.sincePoll !== undefined);
const { signal } = new AbortController();
const look = (): Promise<void> => project.mirror.bin.look('interactive', signal, true);

async function namesIn(folder?: Item): Promise<string[]> {
  const { entries } = await bin.entries(folder, 0, 1000);
  return entries.map(({ name }) => name).sort();
}

const positions = ['recycled-parent', 'recycled-subtree', 'recycled-in-index', 'bump-delete', 'bump-restore'] as const;
const other = { 'recycled-parent': 'bin', 'recycled-subtree': 'kept', 'recycled-in-index': 'excluded' } as const;

/** Every position of the switches about the bin, one after the other, and all turned over. */
const combinations = [[], ...positions.map((name) => [name]), [...positions]];

for (const turned of combinations)
  t.test(`with ${turned.join(', ') || 'the usual answers'}`, async (t) => {
    const usual = await admin.switches();
    const values = turned.map((name) => [name, (other as Record<string, string>)[name] ?? 'no'] as const);
    await admin.switches(Object.fromEntries(values));
    const top = `run ${turned.length} ${turned[0] ?? ''}`;
    const create = (path: string) => ({ op: 'create', path: `${top}/${path}`, content: path, parents: true });
    await admin.changes(['a.txt', 'Folder/b.txt', 'Folder/inner/c.txt', 'Folder/early.txt'].map(create));
    // The first may have been under way before the changes.
    for (let n = 0; n < 2; n++) await project.mirror.pollNow(signal);
    await admin.change({ op: 'delete', path: `${top}/Folder/early.txt` });
    await look();
    await admin.changes([
      { op: 'delete', path: `${top}/a.txt` },
      { op: 'delete', path: `${top}/Folder` },
    ]);
    await admin.reset();
    await look();
    t.equal((await admin.calls()).total, 1);
    const names = await namesIn();
    t.ok(
      ['a.txt', 'Folder'].every((name) => names.includes(name)),
      names.join(),
    );
    const folder = bin.find(undefined, 'Folder')!;
    const within = await namesIn(folder);
    t.strictSame(
      within.filter((name) => name !== 'early.txt'),
      ['b.txt', 'inner'],
    );
    t.ok(within.includes('early.txt') || names.includes('early.txt'), 'what was deleted first is in one of the two');
    const inner = bin.find(folder, 'inner')!;
    t.strictSame(await namesIn(inner), ['c.txt']);
    t.ok(bin.holds(bin.find(inner, 'c.txt')!));

    await admin.reset();
    t.match(await restorePath(project, '.procore/recycle/a.txt', signal), { path: `${top}/a.txt` });
    t.equal((await files.read(`${top}/a.txt`)).toString(), 'a.txt');
    t.match(await restorePath(project, `${top}/Folder`, signal), { path: `${top}/Folder` });
    t.equal((await admin.calls()).total, 2, 'one call each');
    const shown = await files.list(`${top}/Folder`);
    t.strictSame(
      shown.filter((name) => name !== 'early.txt'),
      ['b.txt', 'inner'],
    );
    t.strictSame(await files.list(`${top}/Folder/inner`), ['c.txt']);
    t.equal((await files.read(`${top}/Folder/inner/c.txt`)).toString(), 'Folder/inner/c.txt');
    t.notOk((await namesIn()).includes('Folder'));
    await admin.switches(usual);
    for (const path of [`${top}/a.txt`, `${top}/Folder`]) await admin.change({ op: 'purge', path });
    await project.mirror.sweepNow('interactive', signal);
  });

t.test(
  'a restore whose reply is lost is looked for, not repeated; a listing that lags does not undo one',
  async (t) => {
    await admin.changes([
      { op: 'create', path: 'lost.txt', content: 'l' },
      { op: 'create', path: 'lagging.txt', content: 'l' },
    ]);
    await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
    await admin.change({ op: 'delete', path: 'lost.txt' });
    await admin.change({ op: 'delete', path: 'lagging.txt' });
    await look();
    await admin.faults({ 'reset-after': { probability: 1, count: 1, route: 'PATCH' } });
    await admin.reset();
    t.match(await restorePath(project, 'lost.txt', signal), { path: 'lost.txt' });
    t.equal((await admin.calls()).total, 2);
    t.equal((await files.read('lost.txt')).toString(), 'l');
    t.match(await restorePath(project, 'lagging.txt', signal), { path: 'lagging.txt' });
    await admin.faults({ 'stale-index': { probability: 1, seconds: 60 } });
    await look();
    await project.mirror.pollNow(signal);
    await admin.noFaults();
    t.ok(await files.exists('lagging.txt'));
  },
);

t.test('a restore that the server finishes late is asked for once more, and is there once', async (t) => {
  await admin.change({ op: 'create', path: 'late.txt', content: 'late' });
  await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
  await admin.change({ op: 'delete', path: 'late.txt' });
  await look();
  await admin.faults({ late: { count: 1, route: 'PATCH' } });
  t.match(await restorePath(project, 'late.txt', signal), { path: 'late.txt' });
  t.strictSame(await admin.finishLate(), [200]);
  t.equal((await admin.tree()).filter(({ path }) => path.startsWith('late')).length, 1);
  t.equal((await files.read('late.txt')).toString(), 'late');
});

t.test('what the account may not change is not tried; what the server refuses is said once', async (t) => {
  await admin.change({ op: 'create', path: 'held.txt', content: 'h' });
  await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
  await admin.change({ op: 'delete', path: 'held.txt' });
  await look();
  await admin.switches({ 'project-access': 'read' });
  await t.rejects(restorePath(project, 'held.txt', signal), { code: 'not-permitted' });
  await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
  await admin.reset();
  await t.rejects(restorePath(project, 'held.txt', signal), { code: 'not-permitted' });
  t.equal((await admin.calls()).total, 0, 'the project is known to be read-only');
  await admin.switches({ 'project-access': 'write' });
  await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
  t.match(await restorePath(project, '.procore/recycle/held.txt', signal), { path: 'held.txt' });
});

t.test('of several that were at one place none is taken for the other', async (t) => {
  const twin = { op: 'create', path: 'twice.txt', content: 't' };
  for (const op of ['create', 'delete', 'create', 'delete']) {
    await admin.change(op === 'create' ? twin : { op, path: 'twice.txt' });
    await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
  }
  await look();
  const refused = await restorePath(project, 'twice.txt', signal).catch((error) => error);
  t.match(refused, { code: 'restore-ambiguous' });
  const [, name] = /recycle\/(twice \(\d+\)\.txt)/.exec(refused.line)!;
  t.match(await restorePath(project, `.procore/recycle/${name}`, signal), { path: 'twice.txt' });
  await t.rejects(restorePath(project, '.procore/recycle/twice.txt', signal), { code: 'restore-taken' });
});

t.test('what is gone from the bin for good is not shown', async (t) => {
  await admin.changes([
    { op: 'create', path: 'kept.txt', content: 'k' },
    { op: 'create', path: 'purged.txt', content: 'p' },
    { op: 'delete', path: 'kept.txt' },
    { op: 'delete', path: 'purged.txt' },
  ]);
  await look();
  t.ok(bin.find(undefined, 'purged.txt'));
  await admin.change({ op: 'purge', id: bin.find(undefined, 'purged.txt')!.remoteId });
  await project.mirror.sweepNow('interactive', signal);
  t.notOk(bin.find(undefined, 'purged.txt'));
  t.ok(bin.find(undefined, 'kept.txt'));
});

t.test('names lead back to their items, whatever they are', async (t) => {
  const odd = ['x (1).txt', 'x.txt', 'x.txt', '/', '..', '.procore', 'n'.repeat(255), '\u0000\u001b[2J', 'no ext', 'x'];
  for (const [n, name] of odd.entries()) {
    await admin.change({ op: 'create', path: `odd ${n}/`, content: '' });
    const made = await admin.change({ op: 'create', parent: `odd ${n}`, name, content: name });
    await admin.change({ op: 'delete', id: made.id });
  }
  const made = await admin.change({ op: 'create', path: 'clash.txt', content: 'c' });
  const clash = `clash (${made.id}).txt`;
  await admin.changes([
    { op: 'delete', id: made.id },
    { op: 'create', path: clash, content: 'really called so' },
    { op: 'delete', path: clash },
    { op: 'create', path: 'clash.txt', content: 'again' },
    { op: 'delete', path: 'clash.txt' },
  ]);
  await look();
  const { entries } = await bin.entries(undefined, 0, 1000);
  const names = entries.map(({ name }) => name);
  t.equal(new Set(names).size, names.length, 'each once');
  for (const { name, item } of entries) {
    t.equal(bin.find(undefined, name)?.remoteId, item.remoteId, JSON.stringify(name));
    t.ok(Buffer.byteLength(name) <= 255 && !/[/\0]/.test(name) && !['.', '..', '', '.procore'].includes(name));
  }
  t.equal(names.filter((name) => /^x \(\d+\)\.txt$/.test(name)).length, 3);
  t.ok(project.mirror.view.item(ROOT_INODE));
});

t.test(
  'a bin of several pages is read page by page, a few a look, where nothing else shows what is in it',
  async (t) => {
    const hidden = ['recycled-in-index=excluded', 'per-page-most=100'];
    const { project, simulator } = await openProject(t, { switch: hidden });
    const { admin } = simulator;
    const { mirror } = project;
    const tree = new RecycleTree(mirror);
    const shown = async (): Promise<number> => (await tree.entries(undefined, 0, 10_000)).entries.length;
    const lookAgain = async (): Promise<number> => {
      await admin.reset();
      await mirror.bin.look('interactive', signal, true);
      return (await admin.calls()).total;
    };
    await until(() => mirror.sincePoll !== undefined);
    const fill = async (name: string, count: number): Promise<void> => {
      const made = await admin.change<{ id: number }[]>({ op: 'create', path: name, content: '', count });
      await admin.changes(made.map(({ id }) => ({ op: 'delete', id })));
    };
    for (const [name, count, all] of [
      ['first #', 950, 950],
      ['second #', 250, 1200],
    ] as const) {
      await fill(name, count);
      const calls = [await lookAgain()];
      while (calls.at(-1)! > 1) calls.push(await lookAgain());
      t.equal(await shown(), all, `${name}: ${calls}`);
      t.ok(Math.max(...calls) <= 6, `${name}: ${calls} calls`);
      t.equal(await lookAgain(), 1, 'what is known is not asked for again');
    }
  },
);
