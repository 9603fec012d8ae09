import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Installation, mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { type RunningSimulator, simulator, type TreeEntry } from '../support/simulator.js';

/** Milliseconds within which an operation has failed at the latest: what the documentation promises. */
const LIMIT = 30_000;
const DAY = 86_400;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** SHA-256 of what the server has, by path; null for folders. */
async function contentsOf(server: RunningSimulator): Promise<Map<string, string | null | undefined>> {
  return new Map((await server.admin.tree()).map(({ path, sha256 }) => [path, sha256]));
}

async function writableFiles(server: RunningSimulator): Promise<TreeEntry[]> {
  const tree = await server.admin.tree({ hash: false });
  return tree.filter(({ type, size, path }) => type === 'file' && size > 0 && !path.startsWith('Schedules/'));
}

/** The error code with which it fails, or "hangs". */
async function failure(work: Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('hangs'), LIMIT);
  });
  const ended = work.then(
    () => 'works',
    (error: NodeJS.ErrnoException) => String(error.code),
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

t.test(
  'without a network the mount lists, reads what is cached and takes writes; then everything goes up',
  async (t) => {
    const options = ['-o', 'settle=0,delete_delay=0'];
    const { installation, simulator: server, mnt } = await mounted(t, { items: 60, oddNames: 'no' }, options);
    await installation.crawled(mnt);
    const files = await writableFiles(server);
    const [cached, edited, removed, moved, unread] = files.map(({ path }) => join(mnt, path));
    const bytes = readFileSync(cached!);
    await server.admin.network('down');

    t.ok(readdirSync(mnt, { recursive: true }).length >= 60, 'it lists');
    t.ok(readFileSync(cached!).equals(bytes), 'what was read reads again');
    t.equal(await failure(readFile(unread!)), 'ENETUNREACH', 'what was not says so');
    writeFileSync(join(mnt, 'written offline.txt'), 'offline');
    writeFileSync(edited!, 'edited offline');
    mkdirSync(join(mnt, 'made offline'));
    renameSync(moved!, join(mnt, 'made offline', 'moved.bin'));
    rmSync(removed!);
    t.equal(readFileSync(edited!, 'utf8'), 'edited offline');
    await until(async () => (await installation.status(mnt)).state === 'offline');
    await until(
      async () => (await installation.status(mnt)).outbox.pending + (await installation.status(mnt)).outbox.failed >= 5,
    );
    await server.admin.change({ op: 'create', path: 'by somebody else.txt', content: 'else' });

    await server.admin.network('up');
    await until(async () => (await installation.status(mnt)).state === 'ready');
    await until(async () => readdirSync(mnt).includes('by somebody else.txt'));
    await until(async () => {
      const { outbox } = await installation.status(mnt);
      return outbox.pending + outbox.failed + outbox.held === 0;
    });
    const there = await contentsOf(server);
    t.equal(there.get('written offline.txt'), sha256('offline'));
    t.equal(there.get(files[1]!.path), sha256('edited offline'));
    t.ok(there.has('made offline/moved.bin'));
    t.notOk(there.has(files[2]!.path), 'what was removed');
    t.equal(readFileSync(unread!).length, files[4]!.size, 'what could not be read');
  },
);

t.test('after a day of sleep old sign-ins and URLs are renewed by themselves, and nothing is lost', async (t) => {
  const { installation, simulator: server, mnt } = await mounted(t, { items: 40, oddNames: 'no' }, ['-o', 'settle=0']);
  await installation.crawled(mnt);
  const files = await writableFiles(server);
  await server.admin.network('down');
  writeFileSync(join(mnt, 'before the sleep.txt'), 'written');
  await server.admin.faults({ 'clock-skew': { probability: 1, seconds: DAY } });
  await server.admin.expire({ urls: true, tokens: true });
  await server.admin.change({ op: 'create', path: 'in the night.txt', content: 'night' });
  await server.admin.network('up');
  await until(async () => readdirSync(mnt).includes('in the night.txt'));
  t.equal(readFileSync(join(mnt, 'in the night.txt'), 'utf8'), 'night');
  t.equal(readFileSync(join(mnt, files[3]!.path)).length, files[3]!.size);
  await installation.must(['drain', mnt, '--timeout', '240']);
  t.equal((await contentsOf(server)).get('before the sleep.txt'), sha256('written'));
});

t.test('a network that swallows everything fails within the limit, and the mount recovers', async (t) => {
  const { installation, simulator: server, mnt } = await mounted(t, { items: 40, oddNames: 'no' }, ['-o', 'poll=600']);
  await installation.crawled(mnt);
  const files = await writableFiles(server);
  await server.admin.network('silent');
  const read = failure(readFile(join(mnt, files[0]!.path)));
  t.ok(readdirSync(mnt).length > 0, 'others are not held up');
  t.match(await read, /^(EIO|ENETUNREACH|ETIMEDOUT)$/);
  await server.admin.network('up');
  t.equal((await readFile(join(mnt, files[0]!.path))).length, files[0]!.size);
});

t.test('mounting while the server is away fails with a line that says so', async (t) => {
  const server = await simulator(t, { items: 10 });
  const installation = new Installation(t);
  await installation.connect(server);
  const mnt = installation.mountpoint();
  await server.admin.network('down');
  const { code, stderr } = await installation.procorefs(['mount', `Procore:${server.ready.projects[0]!.id}`, mnt]);
  t.equal(code, 1);
  t.match(stderr, /cannot be reached/);
});
