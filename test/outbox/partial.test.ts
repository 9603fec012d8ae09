import { createHash } from 'node:crypto';
import t from 'tap';
import { INTERRUPTED } from '#src/outbox/intents/intent.js';
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
    t.ok(intent?.gaps, 'the rest is not here');
    const file = await outbox.open(outbox.tree.required(intent!.inode), true, true);
    if (written !== '') await file.write(0, Buffer.from(written));
    // Nothing is brought to an end by a crash.
    outbox.durability.close = () => outbox.intents.sync();
    const again = await project.reopen();
    t.match([...again.project.outbox.intents.all()], [{ reason: INTERRUPTED, gaps: undefined, size: written.length }]);
    const filesAgain = new Files(again.fileSystem);
    t.equal(String(await filesAgain.read('plan.bin')), written);
    await filesAgain.write('plan.bin', ', more', 'append');
    again.project.scheduler.release([intent!.inode]);
    await again.drain();
    const [sent] = (await again.simulator.admin.tree()).filter(({ path }) => path === 'plan.bin');
    t.equal(sent?.sha256, sha256(Buffer.from(`${written}, more`)));
  });
