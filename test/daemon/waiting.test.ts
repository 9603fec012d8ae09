import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { Installation, isMounted, kill, mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { simulator } from '../support/simulator.js';
import { freePort } from '../support/target-servers.js';

/** Milliseconds in which something that need not wait has surely ended, on a busy machine too. */
const PROMPT = 20_000;

t.test('Ctrl-C ends an ls that waits for the rate limit, and others go on', async (t) => {
  const options = ['-o', 'budget_wait=600,poll=600'];
  const { installation, simulator, mnt } = await mounted(t, { items: 100_000, oddNames: 'no' }, options);
  await simulator.admin.spend(3600);
  t.notOk((await installation.status(mnt)).crawl.done, 'the crawl is in its middle');
  const names = (await readdir(mnt, { withFileTypes: true })).filter((one) => one.isDirectory());
  const folders = names.map((one) => join(mnt, one.name));
  t.ok(folders.length >= 2);

  const first = listing(t, folders[0]!);
  const second = listing(t, folders[1]!);
  const alike = listing(t, folders[1]!);
  await until(async () => (await installation.status(mnt)).budget.waiting.length >= 2);
  t.equal(ended(first) ?? ended(second) ?? ended(alike), undefined, 'they wait');

  const gone = exit(first, PROMPT);
  first.kill('SIGINT');
  t.equal(await gone, 'SIGINT', 'Ctrl-C ends it although the hour is spent');
  t.ok((await readdir(mnt)).length > 0, 'what is known still lists');
  t.equal(ended(second) ?? ended(alike), undefined, 'who waits for another folder goes on waiting');

  second.kill('SIGINT');
  t.equal(await exit(second, PROMPT), 'SIGINT');
  t.equal(ended(alike), undefined, 'who waits for the same folder too');
  alike.kill('SIGKILL');
  t.equal(await exit(alike, PROMPT), 'SIGKILL');
  await until(async () => (await installation.status(mnt)).budget.waiting.every((one) => one.class !== 'interactive'));
  await installation.must(['umount', mnt]);
  t.notOk(isMounted(mnt), 'a daemon that waits for the server unmounts at once');
});

t.test('what waits longer than budget_wait gets EAGAIN', async (t) => {
  const { simulator, mnt } = await mounted(t, { items: 100_000, oddNames: 'no' }, ['-o', 'budget_wait=1']);
  await simulator.admin.spend(3600);
  const folder = (await readdir(mnt, { withFileTypes: true })).find((one) => one.isDirectory())!;
  await t.rejects(readdir(join(mnt, folder.name)), { code: 'EAGAIN' });
});

t.test('a mount whose server is away: what is known works, the rest fails at once; and it recovers', async (t) => {
  const port = await freePorts();
  const settings = { items: 60, oddNames: 'no', port, seed: 'away' } as const;
  const first = await simulator(t, settings);
  const installation = new Installation(t);
  await installation.connect(first);
  const mnt = installation.mountpoint();
  await installation.must(['mount', `Procore:${first.ready.projects[0]!.id}`, mnt, '-o', 'poll=1']);
  await installation.crawled(mnt);
  const files = (await first.admin.tree()).filter(({ type, size }) => type === 'file' && size > 0);
  const [cached, uncached] = [files[0]!, files.at(-1)!];
  const bytes = await readFile(join(mnt, cached.path));
  await first.close();

  t.ok((await readdir(mnt, { recursive: true })).length >= 60, 'it lists');
  t.ok(bytes.equals(await readFile(join(mnt, cached.path))), 'what was read reads again');
  const late = setTimeout(() => t.fail('an uncached read hangs'), PROMPT);
  await t.rejects(readFile(join(mnt, uncached.path)), { code: 'ENETUNREACH' }, 'an uncached read says so');
  clearTimeout(late);
  await until(async () => (await installation.status(mnt)).state === 'offline');

  const second = await simulator(t, settings);
  await until(async () => (await readFile(join(mnt, uncached.path))).length === uncached.size);
  await until(async () => (await installation.status(mnt)).state === 'ready');
  await second.admin.change({ op: 'create', path: 'afterwards.txt', content: 'here' });
  await until(async () => (await readFile(join(mnt, 'afterwards.txt'), 'utf8')) === 'here');
  t.pass('it recovers by itself');
});

function listing(t: { teardown(cleanup: () => unknown): unknown }, folder: string): ChildProcess {
  const child = spawn('ls', [folder], { stdio: 'ignore' });
  t.teardown(() => kill(child));
  return child;
}

const ended = (child: ChildProcess): number | string | undefined => child.exitCode ?? child.signalCode ?? undefined;

/** The code or signal with which it ends within `limit` milliseconds; else "hangs". */
function exit(child: ChildProcess, limit: number): Promise<number | string> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve('hangs'), limit);
    child.once('exit', (code, signal) => {
      clearTimeout(late);
      resolve(code ?? signal ?? 'nothing');
    });
  });
}

/** The first of four free ports in a row, which a simulator takes. */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = await freePort();
    const free = await Promise.all([0, 1, 2, 3].map((n) => isFree(first + n)));
    if (free.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
