import { appendFile, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type MountedProject, mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';

const settings = { items: 0, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;
const WORDS = ['-o', 'settle=3600,poll=3600'];
const SIZE = 6_000_000;
const large = 'large file '.repeat(SIZE / 11 + 1).slice(0, SIZE);

async function contentAtServer({ simulator }: MountedProject, path: string) {
  return (await simulator.admin.tree()).find((entry) => entry.path === path);
}

/** A project with a large file of which nothing is here. */
async function uncached(t: Parameters<typeof mounted>[0]): Promise<MountedProject> {
  const project = await mounted(t, settings, WORDS);
  await project.simulator.admin.change({ op: 'create', path: 'log.txt', content: large });
  await project.installation.must(['refresh', project.mnt]);
  return project;
}

t.test('an append to a large file does not wait for it, and survives a kill before it is here', async (t) => {
  const project = await uncached(t);
  const { installation, simulator, source, mnt } = project;
  await simulator.admin.faults({ slow: { probability: 1, ms: 3000 } });
  await appendFile(join(mnt, 'log.txt'), 'one more\n');
  t.equal((await stat(join(mnt, 'log.txt'))).size, SIZE + 9);
  const { pid } = await installation.status(mnt);
  process.kill(pid, 'SIGKILL');
  await simulator.admin.noFaults();
  await installation.must(['mount', source, mnt, ...WORDS]);
  t.equal(await readFile(join(mnt, 'log.txt'), 'utf8'), `${large}one more\n`);
  await installation.must(['drain', mnt, '--timeout', '240']);
  t.match(await contentAtServer(project, 'log.txt'), { size: SIZE + 9, versions: 2 });
  t.equal(await readFile(join(mnt, 'log.txt'), 'utf8'), `${large}one more\n`);
});

t.test('what is appended stands on the version that it was appended to', async (t) => {
  const project = await uncached(t);
  const { installation, simulator, mnt } = project;
  await truncate(join(mnt, 'log.txt'), SIZE - 5);
  await appendFile(join(mnt, 'log.txt'), 'mine');
  await simulator.admin.change({ op: 'update', path: 'log.txt', content: 'theirs' });
  await installation.must(['drain', mnt, '--timeout', '240']);
  await until(async () => (await readFile(join(mnt, 'log.txt'), 'utf8')) === 'theirs');
  const conflict = (await simulator.admin.tree()).find(({ path }) => path.startsWith('log (conflict '));
  t.ok(conflict, 'both are kept');
  t.equal(await readFile(join(mnt, conflict!.path), 'utf8'), `${large.slice(0, SIZE - 5)}mine`);
});

t.test('what is written anew while somebody reads it arrives, and the reader sees it', async (t) => {
  const project = await mounted(t, settings, WORDS);
  const { installation, simulator, mnt } = project;
  await simulator.admin.change({ op: 'create', path: 'read.txt', content: 'first '.repeat(1000) });
  await installation.must(['refresh', mnt]);
  const path = join(mnt, 'read.txt');
  await readFile(path);
  const reader = await open(path, 'r');
  t.teardown(() => reader.close());
  await until(async () => (await installation.status(mnt)).cache.bytes > 0);
  await writeFile(path, 'second');
  t.equal(await readFile(path, 'utf8'), 'second');
  t.equal((await reader.read(Buffer.alloc(10), 0, 10, 0)).buffer.toString('utf8', 0, 6), 'second');
  await installation.must(['drain', mnt, '--timeout', '240']);
  t.match(await contentAtServer(project, 'read.txt'), { size: 6, versions: 2 });
});
