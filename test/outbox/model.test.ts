import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { Model } from '../helpers/outbox-model.js';
import { errnoOf, Files, type OpenProject, openProject } from '../helpers/project.js';

const names = ['a', 'b', 'c', 'd.txt'];
const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

type FileOperation =
  | { readonly op: 'write'; readonly path: string; readonly text: string; readonly how: 'replace' | 'append' | number }
  | { readonly op: 'truncate'; readonly path: string; readonly size: number }
  | { readonly op: 'mkdir' | 'unlink' | 'rmdir' | 'read' | 'list'; readonly path: string }
  | { readonly op: 'rename'; readonly path: string; readonly to: string };
type Operation =
  | FileOperation
  | { readonly op: 'drain' | 'reopen' }
  | { readonly op: 'remote'; readonly name: string; readonly text: string };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('write' as const),
      path,
      text: fc.string({ maxLength: 20 }),
      how: fc.oneof(fc.constantFrom('replace' as const, 'append' as const), fc.nat(30)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('truncate' as const), path, size: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('mkdir' as const), path }) },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constantFrom('unlink' as const, 'rmdir' as const, 'read' as const, 'list' as const),
      path,
    }),
  },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('rename' as const), path, to: path }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('drain' as const, 'reopen' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('remote' as const),
      name: fc.constantFrom('a', 'd.txt', 'r.txt'),
      text: fc.string({ maxLength: 9 }),
    }),
  },
);

/** Random operations on the mount and on the model: same results, and after `drain` the same tree at the server. */
export async function modelRun(project: OpenProject, operations: readonly Operation[]): Promise<void> {
  let open = project;
  let files = new Files(open.fileSystem);
  const model = new Model();
  const { admin } = open.simulator;
  await empty(open);
  for (const step of operations) {
    if (step.op === 'drain') await open.drain();
    else if (step.op === 'reopen') {
      open = await open.reopen();
      Object.assign(project, open);
      files = new Files(open.fileSystem);
    } else if (step.op === 'remote') {
      await open.drain();
      const there = model.tree();
      if (there.has(step.name) && there.get(step.name) === undefined) continue;
      await admin.change({ op: there.has(step.name) ? 'update' : 'create', path: step.name, content: step.text });
      model.write(step.name, step.text, 'replace');
      await open.project.mirror.pollNow(new AbortController().signal);
    } else await compare(step as FileOperation, files, model);
  }
  await open.drain();
  const server = new Map((await admin.tree()).map((entry) => [entry.path, entry]));
  const wanted = model.tree();
  const extra = [...server.keys()].filter((at) => !wanted.has(at) && at !== 'Schedules');
  if (extra.length > 0) throw new Error(`the server has more: ${extra.join(', ')}`);
  for (const [at, content] of wanted) {
    const entry = server.get(at);
    if (!entry) throw new Error(`the server lacks ${at}`);
    if (content && entry.sha256 !== createHash('sha256').update(content).digest('hex'))
      throw new Error(`${at} differs at the server`);
    if (content && !(await files.read(at)).equals(content)) throw new Error(`${at} differs here`);
  }
}

/** Each run begins with an empty project. */
async function empty(open: OpenProject): Promise<void> {
  const { admin } = open.simulator;
  await open.drain();
  const top = (await admin.tree({ hash: false })).filter(({ path }) => !path.includes('/') && path !== 'Schedules');
  for (const entry of top) await admin.change({ op: 'delete', path: entry.path });
  await open.project.mirror.pollNow(new AbortController().signal);
}

async function compare(step: FileOperation, files: Files, model: Model): Promise<void> {
  const both = async (real: () => Promise<unknown>, wanted: () => unknown): Promise<void> => {
    let result: unknown;
    let expected: unknown;
    const actual = await errnoOf(async () => {
      result = await real();
    });
    const errno = await errnoOf(async () => {
      expected = wanted();
    });
    // A folder below a file: the kernel says ENOTDIR before it asks.
    const same = actual === errno || (errno === 'ENOTDIR' && actual === 'ENOENT');
    if (!same) throw new Error(`${JSON.stringify(step)}: ${actual} instead of ${errno}`);
    if (errno === undefined && JSON.stringify(result) !== JSON.stringify(expected))
      throw new Error(`${JSON.stringify(step)}: ${JSON.stringify(result)} instead of ${JSON.stringify(expected)}`);
  };
  switch (step.op) {
    case 'write':
      return both(
        () => files.write(step.path, step.text, step.how),
        () => model.write(step.path, step.text, step.how),
      );
    case 'truncate':
      return both(
        () => files.truncate(step.path, step.size),
        () => model.truncate(step.path, step.size),
      );
    case 'rename':
      // The kernel refuses to move a folder into itself before the file system hears of it.
      if (step.to.startsWith(`${step.path}/`) || step.path.startsWith(`${step.to}/`)) return;
      return both(
        () => files.rename(step.path, step.to),
        () => model.rename(step.path, step.to),
      );
    case 'read':
      return both(
        async () => (await files.read(step.path)).toString('hex'),
        () => model.read(step.path).toString('hex'),
      );
    case 'list':
      return both(
        async () => (await files.list(step.path)).filter((name) => name !== 'Schedules'),
        () => model.list(step.path),
      );
    case 'mkdir':
    case 'unlink':
    case 'rmdir':
      return both(
        () => files[step.op](step.path),
        () => model[step.op](step.path),
      );
  }
}

t.test('the mount behaves like a plain file system, and the server ends with its tree', async (t) => {
  const project = await openProject(t, { items: 0 });
  const seed = Number(process.env.PROCOREFS_TEST_SEED ?? 20261124);
  const runs = Number(process.env.PROCOREFS_TEST_RUNS ?? 12);
  t.comment(`seed ${seed}, ${runs} runs`);
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 20, maxLength: 60, size: 'max' }), (operations) =>
      modelRun(project, operations),
    ),
    { seed, numRuns: runs, interruptAfterTimeLimit: 200_000, markInterruptAsFailure: false },
  );
  t.pass(`${runs} runs`);
});
