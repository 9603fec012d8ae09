import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../support/daemon.js';
import { mounted } from '../support/mounted.js';
import { must } from '../support/programs.js';
import { callsButPolls, type Scenario } from './scenarios.js';

const settings = { items: 0, oddNames: 'no', spike: 10_000, hourly: 1_000_000 } as const;
/** Milliseconds that any of this may take: more is a hang. */
const PATIENCE = 20_000;
const PART = 40_000;
const PARTS = 30;

const part = (n: number): Buffer => Buffer.alloc(PART, `part ${n} of the file\n`);
const whole = (parts: number): Buffer => Buffer.concat(Array.from({ length: parts }, (_, n) => part(n)));
const sum = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

async function within<T>(what: string, work: Promise<T>): Promise<T> {
  const limit = new AbortController();
  const hang = sleep(PATIENCE, undefined, { signal: limit.signal }).then(
    () => Promise.reject(new Error(`${what} hangs`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([work, hang]);
  } finally {
    limit.abort();
  }
}

/**
 * A folder of many files is renamed and moved, here and by others, while programs read from and write to files in it: 1
 * call each, handles go on, every byte is right.
 */
export async function renamedFolder(t: Scenario, driver: 'kernel' | 'fuse-native', files: number): Promise<void> {
  const project = await mounted(t, settings, ['--driver', driver, '-o', 'settle=0,delete_delay=0,poll=1']);
  const { simulator, mnt } = project;
  const { admin } = simulator;
  const daemon = new Daemon(project);
  const at = (...names: string[]): string => join(mnt, ...names);
  await admin.changes([
    { op: 'create', path: 'folder/# file.txt', parents: true, content: 'content', count: files },
    { op: 'create', path: 'folder/inner/long.bin', parents: true, base64: whole(PARTS).toString('base64') },
    { op: 'create', path: 'folder/inner/added.txt', content: 'first\n' },
    { op: 'create', path: 'other/x.txt', parents: true, content: 'x' },
  ]);
  for (const folder of ['', 'folder', 'folder/inner', 'other']) await daemon.refresh(folder);
  t.equal((await readdir(at('folder'))).length, files + 1, 'all are there');

  /** Programs that work in the folder: one reads, one writes a new file, one appends. */
  const handles: FileHandle[] = [];
  t.teardown(async () => {
    for (const handle of handles) await handle.close().catch(() => undefined);
  });
  const begin = async (path: string, flags: string): Promise<FileHandle> => {
    const handle = await within(`open of ${path}`, open(at(path), flags));
    handles.push(handle);
    return handle;
  };
  let done = 0;
  let isMovedByOthers = false;
  const work = async (programs: readonly FileHandle[], until: number, when: string): Promise<void> => {
    const [reader, writer, adder] = programs;
    for (; done < until; done++) {
      const buffer = Buffer.alloc(PART);
      const { bytesRead } = await within(`read ${when}`, reader!.read(buffer, 0, PART, done * PART));
      t.ok(bytesRead === PART && buffer.equals(part(done)), `part ${done} is read right ${when}`);
      await within(`write ${when}`, writer!.write(part(done), 0, PART, done * PART));
      await within(`append ${when}`, adder!.write(`line ${done}\n`));
      // libfuse asks by the path that it remembers, and cannot be told that others changed it.
      if (driver === 'kernel' || !isMovedByOthers)
        t.equal((await within(`fstat ${when}`, writer!.stat())).size, (done + 1) * PART, `its size ${when}`);
    }
  };
  const costs = async (change: () => Promise<unknown>): Promise<number> => {
    await admin.reset();
    await change();
    const left = (await daemon.drain()).filter(({ path }) => !/new\.bin|added\.txt/.test(path));
    t.equal(left.map(({ path }) => path).join(), '', 'only what is being written is left');
    return callsButPolls(await admin.calls());
  };
  const programs = [
    await begin('folder/inner/long.bin', 'r'),
    await begin('folder/inner/new.bin', 'w+'),
    await begin('folder/inner/added.txt', 'a'),
  ];
  await work(programs, 5, 'before');

  t.equal(await costs(() => must('mv', [at('folder'), at('renamed')])), 1, 'calls of the renaming');
  await work(programs, 10, 'after it was renamed');
  t.equal((await readdir(at('renamed'))).length, files + 1, 'all are there under the new name');
  t.equal(await readFile(at('renamed', '7 file.txt'), 'utf8'), 'content', 'its files can be read');
  t.equal(await stat(at('folder')).catch((error) => error.code), 'ENOENT', 'the old name is gone');

  t.equal(await costs(() => must('mv', [at('renamed'), at('other')])), 1, 'calls of the move');
  await work(programs, 15, 'after it was moved');
  t.equal(await readFile(at('other', 'renamed', '8 file.txt'), 'utf8'), 'content', 'its files can be read');

  // Work goes on while it is renamed, back and forth.
  const during = work(programs, 20, 'meanwhile');
  for (const [from, to] of [
    ['renamed', 'a'],
    ['a', 'b'],
    ['b', 'c'],
  ] as const)
    await within('a rename', must('mv', [at('other', from), at('other', to)]));
  await during;
  t.equal((await daemon.drain()).length, 2, 'what is being written waits');

  await admin.reset();
  isMovedByOthers = true;
  await admin.change({ op: 'move', path: 'other/c', to: '' });
  await admin.change({ op: 'rename', path: 'c', to: 'by others' });
  await shows(at('by others'));
  t.equal(callsButPolls(await admin.calls()), 0, 'a poll shows what others renamed');
  await work(programs, 25, 'after others moved it');
  t.equal(await stat(at('other', 'c')).catch((error) => error.code), 'ENOENT', 'it left its old folder');
  t.equal((await readdir(at('by others'))).length, files + 1, 'all are there');
  t.equal(await readFile(at('by others', '9 file.txt'), 'utf8'), 'content', 'its files can be read');
  await within('a new file', writeFile(at('by others', 'inner', 'fresh.txt'), 'fresh'));
  await work(programs, PARTS, 'to the end');
  for (const handle of programs) await within('close', handle.close());
  t.equal((await daemon.drain()).length, 0, 'all is up');

  const found = new Map((await admin.tree()).map((entry) => [entry.path, entry]));
  const has = (path: string, content: string | Buffer, versions: number): void => {
    const entry = found.get(`by others/${path}`);
    t.equal(entry?.sha256, sum(content), `${path}: at the server`);
    t.equal(entry?.versions, versions, `${path}: versions`);
  };
  const added = `first\n${Array.from({ length: PARTS }, (_, n) => `line ${n}\n`).join('')}`;
  has('inner/new.bin', whole(PARTS), 1);
  has('inner/added.txt', added, 2);
  has('inner/long.bin', whole(PARTS), 1);
  has('inner/fresh.txt', 'fresh', 1);
  t.equal(found.size, files + 9, 'nothing else');
  t.equal(sum(await readFile(at('by others', 'inner', 'new.bin'))), sum(whole(PARTS)), 'and here');
  t.equal(await readFile(at('by others', 'inner', 'added.txt'), 'utf8'), added, 'what was appended');
}

async function shows(path: string): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await sleep(50))
    if (await stat(path).catch(() => undefined)) return;
  throw new Error(`${path} does not come into sight`);
}
