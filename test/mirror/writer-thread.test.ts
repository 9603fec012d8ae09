import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { writerFindings } from '#src/daemon/health/inspect.js';
import { mirrorLines, serverLines } from '../support/mirror.js';
import { until } from '../support/processes.js';
import { context, Files, type OpenProject, openProject, polled } from '../support/project.js';

/** The threads that a request was given to, and the death of one at its next answer with changes. */
const threads = new Set<Worker>();
let diesUntold = false;
const { postMessage, emit } = Worker.prototype;
Worker.prototype.postMessage = function (this: Worker, ...words: Parameters<typeof postMessage>) {
  threads.add(this);
  return postMessage.apply(this, words);
};
Worker.prototype.emit = function (this: Worker, event: string | symbol, ...words: unknown[]) {
  const answer = words[0] as { id?: number; changes?: unknown[] } | undefined;
  if (diesUntold && event === 'message' && answer?.id !== undefined && answer.changes?.length) {
    diesUntold = false;
    void this.terminate();
    return true;
  }
  return emit.apply(this, [event, ...words] as never);
};
const ROUNDS = 3;
const kill = (): Promise<unknown> => Promise.all([...threads].map((thread) => thread.terminate()));

const rejections: unknown[] = [];
process.on('unhandledRejection', (error) => rejections.push(error));

async function insist(work: () => Promise<unknown>): Promise<void> {
  await until(async () => {
    await work();
    return true;
  });
}

async function agree(t: Test, { project, fileSystem, simulator }: OpenProject): Promise<void> {
  await insist(() => polled(project));
  t.strictSame(mirrorLines(project.mirror), await serverLines(simulator));
  const files = new Files(fileSystem);
  const there = await simulator.admin.tree({ hash: false });
  t.strictSame(await files.list(''), there.map(({ path }) => path).sort());
}

t.test('the mirror goes on when its writer ends while people work', async (t) => {
  const opened = await openProject(t);
  const { project, fileSystem, simulator, drain } = opened;
  const { admin } = simulator;
  const files = new Files(fileSystem);
  await until(() => project.mirror.view.crawlDone);
  for (let round = 0; round < ROUNDS; round++) {
    await files.write(`ours ${round}.txt`, `ours ${round}`);
    await admin.change({ op: 'create', path: `theirs ${round}.txt`, content: 'theirs' });
    const work = Promise.all([drain(), project.mirror.pollNow(context.signal).catch(() => undefined)]);
    await kill();
    await work;
    if (round > 0) await files.rename(`ours ${round - 1}.txt`, `renamed ${round - 1}.txt`);
  }
  await insist(drain);
  await agree(t, opened);
  for (let round = 0; round < ROUNDS; round++)
    t.equal(String(await files.read(`${round < ROUNDS - 1 ? 'renamed' : 'ours'} ${round}.txt`)), `ours ${round}`);
  t.ok(project.mirror.store.writerDeaths >= 2);
  t.match(writerFindings('/mnt', project.mirror.store.writerDeaths), [{ level: 'warning' }]);
  t.strictSame(writerFindings('/mnt', 1), []);
  t.strictSame(rejections, []);
});

t.test('what was stored by a writer that ended before it could tell shows as well', async (t) => {
  const opened = await openProject(t);
  const { project, fileSystem, simulator } = opened;
  const { admin } = simulator;
  const files = new Files(fileSystem);
  await admin.change({ op: 'create', path: 'a.txt', content: 'one' });
  await admin.change({ op: 'create', path: 'b.txt', content: 'one' });
  await until(() => project.mirror.view.crawlDone);
  await polled(project);
  t.equal(String(await files.read('a.txt')), 'one');
  t.ok(await files.exists('b.txt'));
  await admin.changes([
    { op: 'update', path: 'a.txt', content: 'two' },
    { op: 'rename', path: 'b.txt', to: 'c.txt' },
  ]);
  diesUntold = true;
  await t.rejects(project.mirror.pollNow(context.signal), { code: 'mirror-writer-ended' });
  t.notOk(diesUntold);
  await agree(t, opened);
  t.equal(String(await files.read('a.txt')), 'two');
  t.notOk(await files.exists('b.txt'));

  await files.write('ours.txt', 'ours');
  diesUntold = true;
  await opened.drain();
  t.notOk(diesUntold);
  await agree(t, opened);
  t.equal(String(await files.read('ours.txt')), 'ours');
  t.strictSame(rejections, []);
});
