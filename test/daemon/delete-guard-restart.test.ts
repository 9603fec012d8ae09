import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { Daemon } from '../support/daemon.js';
import { mounted } from '../support/mounted.js';

const settings = { items: 0, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;

t.test('what is held is held after kill -9 and after unmounting; what went before counts on', async (t) => {
  const words = ['-o', 'hold_after=20,delete_delay=3600,settle=3600,poll=3600'];
  const project = await mounted(t, settings, words);
  const { installation, simulator, source, mnt } = project;
  const daemon = new Daemon(project);
  await simulator.admin.change({ op: 'create', path: '#.txt', content: 'original', count: 30 });
  await daemon.refresh();
  const files = async () => (await simulator.admin.tree()).filter(({ type }) => type === 'file');
  const at = (n: number): string => join(mnt, `${n}.txt`);
  const left = async (): Promise<number> => (await files()).length;
  const killed = async (): Promise<void> => {
    await daemon.kill();
    await installation.must(['mount', source, mnt, ...words]);
  };
  for (let n = 1; n <= 12; n++) await rm(at(n));
  t.equal((await daemon.drain()).length, 0);
  t.equal(await left(), 18, 'what is below the limit goes');
  await killed();
  for (let n = 13; n <= 18; n++) await rm(at(n));
  for (let n = 19; n <= 22; n++) await writeFile(at(n), 'overwritten');
  const [first, ...others] = await daemon.drain();
  t.equal(others.length, 9, 'together with what went before the crash it is too much');
  t.equal(await left(), 18);

  await daemon.release(first!);
  const held = async (when: string): Promise<void> => {
    const lines = await daemon.drain();
    const ids = (of: readonly UploadLine[]): number[] => of.map(({ id }) => id).sort();
    t.strictSame(ids(lines), ids(others), when);
    t.ok(lines.every(({ state, reason }) => state === 'held' && /release or discard/.test(reason!)));
    t.match((await daemon.status()).outbox, { braked: true, held: others.length, pending: 0 }, `${when}: status`);
    t.equal(await left(), 17, `${when}: at the server`);
  };
  await held('what was released goes');
  await killed();
  await held('after kill -9 the rest is held, although it is less than the limit');
  t.match((await installation.procorefs(['umount', mnt])).stderr, /9 changes are not at the server yet/);
  await installation.must(['mount', source, mnt, ...words]);
  await held('and after a new mount');
  t.match(await installation.must(['status', mnt]), /ALARM +many deletions or overwrites at once are held/);

  const deletion = others.find(({ what }) => what === 'delete')!;
  const version = others.find(({ what }) => what === 'new version')!;
  await daemon.discard(deletion, version);
  for (const { path } of [deletion, version]) t.equal(await readFile(join(mnt, path), 'utf8'), 'original', 'is back');
  await killed();
  await daemon.release();
  t.equal((await daemon.drain()).length, 0);
  t.notOk((await daemon.status()).outbox.braked);
  const after = await files();
  t.equal(after.length, 17 - 4, 'of five deletions one was discarded');
  t.equal(after.filter(({ versions }) => versions === 2).length, 3, 'of four new versions one was discarded');
});
