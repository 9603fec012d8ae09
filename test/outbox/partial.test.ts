import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { INTERRUPTED, UNRECORDED } from '#src/outbox/intents/intent.js';
import { olderCopy } from '../support/older-copy.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject } from '../support/project.js';

const base = Buffer.alloc(3_500_000, 'what the server has, ');
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** A project with one file, none of which is on this machine. */
async function withRemoteFile(
  t: { teardown(cleanup: () => unknown): unknown },
  options: Parameters<typeof openProject>[2] = {},
): Promise<OpenProject> {
  const project = await openProject(t, { latency: 20 }, options);
  await project.simulator.admin.change({ op: 'create', path: 'plan.bin', base64: base.toString('base64') });
  const { mirror } = project.project;
  await until(() => mirror.view.crawlDone);
  await mirror.lookSince(Date.now(), new AbortController().signal);
  return project;
}

t.test('who writes a part of a file keeps the rest, however soon it is closed', async (t) => {
  const project = await withRemoteFile(t);
  const files = new Files(project.fileSystem);
  await files.write('plan.bin', 'HERE', 2_000_000);
  const wanted = Buffer.from(base);
  wanted.write('HERE', 2_000_000);
  await project.drain();
  const [file] = (await project.simulator.admin.tree()).filter(({ path }) => path === 'plan.bin');
  t.match(file, { sha256: sha256(wanted), versions: 2 });
  t.ok((await files.read('plan.bin')).equals(wanted));
});

for (const [what, written] of [
  ['emptied', ''],
  ['emptied and written anew', 'short'],
] as const)
  t.test(`a partly fetched file that was ${what} when the daemon was killed gets nothing of what it was`, async (t) => {
    const project = await withRemoteFile(t, { settle: 3_600_000 });
    const files = new Files(project.fileSystem);
    await project.simulator.admin.faults({ slow: { ms: 5000 } });
    await files.write('plan.bin', 'HERE', base.length);
    await project.simulator.admin.noFaults();
    const { outbox } = project.project;
    const [intent] = [...outbox.intents.all()];
    t.ok(intent?.content.gaps, 'the rest is not here');
    const file = await outbox.open(outbox.tree.required(intent!.inode), true, true);
    if (written !== '') await file.write(0, Buffer.from(written));
    // Nothing is brought to an end by a crash.
    outbox.durability.close = () => outbox.intents.sync();
    const again = await project.reopen();
    t.match(
      [...again.project.outbox.intents.all()],
      [{ reason: INTERRUPTED, content: { gaps: undefined }, here: { size: written.length } }],
    );
    const filesAgain = new Files(again.fileSystem);
    t.equal(String(await filesAgain.read('plan.bin')), written);
    await filesAgain.write('plan.bin', ', more', 'append');
    again.project.scheduler.release([intent!.inode]);
    await again.drain();
    const [sent] = (await again.simulator.admin.tree()).filter(({ path }) => path === 'plan.bin');
    t.equal(sent?.sha256, sha256(Buffer.from(`${written}, more`)));
  });

t.test(
  'bytes of a partly fetched file that an older outbox does not know are kept beside it, with the rest',
  async (t) => {
    const project = await withRemoteFile(t, { settle: 3_600_000 });
    const { outbox } = project.project;
    const older = olderCopy(t, project.folder, 'outbox.db');
    outbox.intents.sync();
    older.take();
    const files = new Files(project.fileSystem);
    await project.simulator.admin.faults({ slow: { ms: 5000 } });
    await files.write('plan.bin', 'HERE', base.length);
    await project.simulator.admin.noFaults();
    // Nothing is brought to an end by a crash.
    outbox.durability.close = () => outbox.intents.sync();
    const again = await project.reopen({}, () => older.putBack());
    const [kept, ...others] = [...again.project.outbox.intents.all()];
    t.strictSame(others, []);
    t.match(kept, { here: { name: /^plan \(conflict .*\.bin$/ }, state: 'held', reason: UNRECORDED });
    const wanted = Buffer.concat([base, Buffer.from('HERE')]);
    t.ok((await new Files(again.fileSystem).read(kept!.here.name)).equals(wanted));
    t.strictSame(readdirSync(join(project.folder, 'lost+found')), []);
    again.project.scheduler.release([kept!.inode]);
    await again.drain();
    const tree = await again.simulator.admin.tree();
    t.equal(tree.find(({ path }) => path === kept!.here.name)?.sha256, sha256(wanted));
  },
);

t.test('an older outbox gives numbers again under which bytes lie: none of them are replaced', async (t) => {
  const project = await withRemoteFile(t, { settle: 3_600_000 });
  const { outbox, mirror } = project.project;
  const { admin } = project.simulator;
  // The partly fetched file comes first among the names of staging files.
  const missing = 102 - mirror.view.number('inode.next')!;
  await admin.change({ op: 'create', path: 'filler #.txt', count: missing, content: 'x' });
  await admin.change({ op: 'create', path: 'second.bin', base64: base.toString('base64') });
  await mirror.lookSince(Date.now() + 1000, new AbortController().signal);
  const older = olderCopy(t, project.folder, 'outbox.db');
  outbox.intents.sync();
  older.take();
  const files = new Files(project.fileSystem);
  const texts = [0, 1, 2, 3].map((n) => `local work ${n}`);
  for (const text of texts) await files.write(`${text}.txt`, text);
  await admin.faults({ slow: { ms: 5000 } });
  await files.write('second.bin', 'HERE', base.length);
  await admin.noFaults();
  outbox.durability.close = () => outbox.intents.sync();
  const again = await project.reopen({}, () => older.putBack());
  const lost = join(again.folder, 'lost+found');
  t.strictSame(
    readdirSync(lost)
      .map((name) => readFileSync(join(lost, name), 'utf8'))
      .sort(),
    texts,
  );
  const [kept] = [...again.project.outbox.intents.all()];
  const wanted = Buffer.concat([base, Buffer.from('HERE')]);
  t.ok((await new Files(again.fileSystem).read(kept!.here.name)).equals(wanted));
});

t.test('a note of what is not fetched ends with its file, and a damaged one stops nothing', async (t) => {
  const project = await withRemoteFile(t);
  const files = new Files(project.fileSystem);
  await files.write('plan.bin', 'HERE', 2_000_000);
  await project.drain();
  const staging = join(project.folder, 'staging');
  t.strictSame(readdirSync(staging), [], 'nothing is left when the file was sent');
  const [id] = (await project.simulator.admin.tree()).filter(({ path }) => path === 'plan.bin').map(({ id }) => id);
  const notes = [
    '{}',
    'no JSON',
    `{"item":${id}}`,
    `{"item":${id},"version":1,"size":9,"missing":[-5,13]}`,
    '{"missing":null}',
  ];
  const again = await project.reopen({}, () => {
    for (const [n, note] of notes.entries()) {
      writeFileSync(join(staging, `${900 + n}`), `bytes ${n}`);
      writeFileSync(join(staging, `${900 + n}.gaps`), note);
    }
  });
  t.equal(
    readdirSync(join(again.folder, 'lost+found')).length,
    notes.length,
    'the bytes are where a person finds them',
  );
  t.strictSame([...again.project.outbox.intents.all()], []);
});

t.test('a note of another file that had the same place counts for nothing', async (t) => {
  const project = await withRemoteFile(t, { settle: 3_600_000 });
  const { staging } = project.project.outbox;
  const files = new Files(project.fileSystem);
  await project.simulator.admin.faults({ slow: { ms: 5000 } });
  await files.write('plan.bin', 'HERE', base.length);
  await project.simulator.admin.noFaults();
  const [intent] = [...project.project.outbox.intents.all()];
  t.ok(staging.gapsOf(intent!.inode));
  const path = staging.path(intent!.inode);
  writeFileSync(`${path}.copy`, 'whole');
  renameSync(`${path}.copy`, path);
  t.equal(staging.gapsOf(intent!.inode), undefined);
});
