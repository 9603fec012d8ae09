import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { asInode } from '#src/base/ids.js';
import { INTERRUPTED, type Intent, UNSURE } from '#src/outbox/intents/intent.js';
import { projectKey } from '#src/project/project.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject } from '../support/project.js';

const WAITING = { settle: 3_600_000, deleteDelay: 3_600_000 };
/** Milliseconds after which the bytes that were acknowledged go to stable storage. */
const REST = 5000;

const intentOf = (open: OpenProject, name: string): Intent =>
  [...open.project.outbox.intents.all()].find((intent) => intent.name === name)!;

t.test('what people change while the disk is synced is theirs', async (t) => {
  let sync: (() => void) | undefined;
  const clock = {
    ...systemClock,
    after(ms: number, work: () => void) {
      if (ms !== REST) return systemClock.after(ms, work);
      sync = work;
      return () => undefined;
    },
  };
  const open = await openProject(t, {}, { ...WAITING, clock });
  const { intents, durability } = open.project.outbox;
  const files = new Files(open.fileSystem);
  for (const name of ['kept', 'renamed', 'sent']) await files.write(name, name);
  const volatile = (name: string): string | undefined => intentOf(open, name).volatile;
  t.strictSame([volatile('kept'), volatile('renamed'), volatile('sent')], Array(3).fill(durability.place));
  const sent = { ...intentOf(open, 'sent'), state: 'uploading' } as const;
  intents.put(sent);
  // More than are written down at once.
  const one = { ...intentOf(open, 'kept'), folder: true, staged: false, dirty: false };
  const many = Array.from({ length: 300 }, (_, n) => ({ ...one, inode: intents.newInode(), name: `folder ${n}` }));
  intents.change(many);
  sync!();
  const renamed = { ...intentOf(open, 'renamed'), name: 'other' };
  intents.put(renamed);
  const late = { ...many.at(-1)!, name: 'late' };
  const change = intents.change.bind(intents);
  intents.change = (...changes) => {
    intents.change = change;
    change(...changes);
    intents.put(late);
  };
  await until(() => volatile('folder 298') === undefined);
  t.equal(volatile('kept'), undefined);
  t.equal(intents.get(late.inode), late, 'what was changed while it was written down');
  t.equal(intents.get(renamed.inode), renamed, 'what was changed meanwhile');
  t.equal(intents.get(sent.inode), sent, 'what is being sent');
});

t.test('after a crash, what may not be whole waits for a person, and all else goes on', async (t) => {
  const open = await openProject(t, {}, WAITING);
  const { outbox } = open.project;
  const { intents, staging } = outbox;
  const files = new Files(open.fileSystem);
  for (const name of ['known', 'written', 'volatile', 'unsure', 'whole', 'sent']) await files.write(name, name);
  const folder = join(open.state.project(projectKey(open.project.session)));
  // Nothing is brought to an end by a crash.
  outbox.durability.close = () => intents.sync();
  appendFileSync(staging.path(intentOf(open, 'written').inode), ' past the daemon');
  intents.put({ ...intentOf(open, 'unsure'), volatile: 'another boot' });
  intents.put({ ...intentOf(open, 'whole'), volatile: undefined });
  intents.put({ ...intentOf(open, 'sent'), state: 'uploading' });
  writeFileSync(staging.path(asInode(123)), 'of nobody');
  const again = await open.reopen();
  const found = [...again.project.outbox.intents.all()].map(({ name, state, reason }) => [name, state, reason]);
  t.strictSame(found.sort(), [
    ['known', 'held', undefined],
    ['sent', 'held', undefined],
    ['unsure', 'held', UNSURE],
    ['volatile', 'held', undefined],
    ['whole', 'held', undefined],
    ['written', 'held', INTERRUPTED],
  ]);
  const left = await again.project.scheduler.drain(AbortSignal.timeout(60_000));
  t.strictSame(left.map(({ name }) => name).sort(), ['unsure', 'written']);
  const tree = (await open.simulator.admin.tree({ hash: false })).map(({ path }) => path);
  t.strictSame(tree.filter((path) => path !== 'Schedules').sort(), ['known', 'sent', 'volatile', 'whole']);
  t.match(readdirSync(join(folder, 'lost+found')), [/ 123 /]);
  again.project.scheduler.release(left.map(({ inode }) => inode));
  await again.drain();
  t.equal(String(await new Files(again.fileSystem).read('written')), 'written past the daemon');
});

t.test('what a program wrote to a file that was moved over another one is not thrown away by a crash', async (t) => {
  const open = await openProject(t, {}, WAITING);
  const files = new Files(open.fileSystem);
  for (const name of ['a', 'b']) await files.write(name, name);
  await open.drain();
  await files.rename('a', 'b');
  const { outbox } = open.project;
  const file = await outbox.open(outbox.tree.required(intentOf(open, 'b').inode), true, false);
  await file.complete();
  appendFileSync(outbox.staging.path(file.inode), ' past the daemon');
  const again = await open.reopen();
  t.equal(String(await new Files(again.fileSystem).read('b')), 'a', 'nobody closed it');
  const lost = join(again.folder, 'lost+found');
  const kept = readdirSync(lost).map((name) => readFileSync(join(lost, name), 'utf8'));
  t.strictSame(kept, ['a past the daemon']);
});
