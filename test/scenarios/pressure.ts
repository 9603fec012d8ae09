import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from '../support/daemon.js';
import { limited } from '../support/descriptors.js';
import { Installation, run } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { randomBy } from '../support/random.js';
import { simulator } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

const KINDS = ['files', 'memory'] as const;
type Kind = (typeof KINDS)[number] | 'disk';
/** What a program may be told while there is too little of something. */
const SCARCE = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EIO', 'EAGAIN', 'EBUSY']);
/** MiB of the disk that the state is on. */
const DISK = 128;
/** Bytes of address space that are left. */
const MEMORY = 16 * 2 ** 20;
const PEOPLE = 8;
const DEEDS = 8;
const FILES = 24;

const sha = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

/**
 * People read, write, rename and list while the daemon may open nothing more, gets no more memory, or has no room on the
 * disk. Nothing wrong is read; when it is over all goes on, nothing that was cached or pinned has to come again, and
 * the server gets all that was written.
 */
export async function pressure(t: Scenario, rounds: number, seed: number): Promise<void> {
  t.comment(`${rounds} rounds, seed ${seed}`);
  const random = randomBy(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const disk = await mkdtemp(join(tmpdir(), 'procorefs-pressure-'));
  t.teardown(async () => {
    await run('umount', ['-l', disk]);
    await rm(disk, { recursive: true, force: true });
  });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK}m`, 'tmpfs', disk]);
  const running = await simulator(t, { items: 0, oddNames: 'no', spike: 3000, hourly: 1_000_000 });
  const { admin, ready } = running;
  const theirs = new Map<string, string>();
  for (const top of ['cached', 'pinned']) {
    await admin.change({ op: 'create', path: top, type: 'folder' });
    for (let n = 0; n < FILES; n++) {
      const content = `${top} ${n} `.repeat(pick([1, 500, 20_000]));
      await admin.change({ op: 'create', path: `${top}/${n}`, content });
      theirs.set(`${top}/${n}`, sha(content));
    }
  }
  const installation = new Installation(t, join(disk, 'state'));
  await installation.connect(running);
  const mnt = installation.mountpoint();
  const source = `Procore:${ready.projects[0]!.id}`;
  await installation.must(['mount', source, mnt, '-o', 'settle=0,delete_delay=0,poll=1,cache_reserve=16m']);
  await installation.crawled(mnt);
  const daemon = new Daemon({ installation, mnt });
  await installation.must(['pin', join(mnt, 'pinned')]);
  const readAll = async (): Promise<string> => {
    for (const [path, wanted] of theirs)
      if (sha(await readFile(join(mnt, path))) !== wanted) return `${path} reads wrong`;
    return '';
  };
  t.equal(await readAll(), '', 'all is read once');
  await until(async () => (await daemon.status()).pins.missing === 0);
  const { pid } = daemon;
  /** What each person has written, acknowledged: by path. */
  const written = new Map<string, string>();
  const told: Record<string, number> = {};
  let next = 0;

  async function deed(person: number): Promise<void> {
    const own = (): string => `p${person}-${Math.floor(random() * 3)}`;
    const what = pick(['read', 'read', 'read', 'list', 'write', 'write', 'rename', 'unlink']);
    if (what === 'list') await readdir(join(mnt, pick(['', 'cached', 'pinned'])));
    else if (what === 'read') {
      const path = pick([...theirs.keys()]);
      const found = sha(await readFile(join(mnt, path)));
      if (found !== theirs.get(path)) throw new Error(`${path} reads wrong`);
    } else if (what === 'write') {
      const path = own();
      const content = `${next++} of ${person} `.repeat(pick([1, 3000]));
      written.delete(path);
      await writeFile(join(mnt, path), content);
      written.set(path, sha(content));
    } else if (what === 'unlink') {
      const path = own();
      await unlink(join(mnt, path));
      written.delete(path);
    } else {
      const [from, to] = [own(), own()];
      if (from === to || !written.has(from)) return;
      await rename(join(mnt, from), join(mnt, to));
      written.set(to, written.get(from)!);
      written.delete(from);
    }
  }

  for (let round = 0; round < rounds; round++) {
    // A full disk drives out what is cached, also a moment later.
    const kind = round < (rounds * 2) / 3 ? KINDS[round % 2]! : 'disk';
    await admin.reset();
    const end = await begin(kind, pid, disk);
    const wrong: string[] = [];
    await Promise.all(
      Array.from({ length: PEOPLE }, async (_, person) => {
        for (let n = 0; n < DEEDS; n++)
          await deed(person).catch((error: NodeJS.ErrnoException) => {
            // A document of that name shows under another one here: a program that takes the free one is too late.
            if (error.code === 'ENOENT' || error.code === 'EEXIST') return;
            if (error.code !== undefined && SCARCE.has(error.code)) told[error.code] = (told[error.code] ?? 0) + 1;
            else wrong.push(error.stack ?? error.message);
          });
      }),
    );
    end();
    t.equal(wrong.join('\n'), '', `round ${round}, ${kind}: what people are told`);
    t.equal(daemon.pid, pid, 'the daemon goes on');
    t.equal(await readAll(), '', `round ${round}, ${kind}: all is read afterwards`);
    if (kind !== 'disk')
      t.equal((await admin.calls()).storage.requests, 0, `round ${round}, ${kind}: nothing comes again`);
  }
  t.comment(JSON.stringify(told));
  t.ok(Object.keys(told).length > 0, 'there was too little of something');
  await until(async () => (await daemon.drain()).length === 0);
  const tree = new Map((await admin.tree()).map(({ path, sha256 }) => [path, sha256]));
  for (const [path, content] of written) {
    t.equal(tree.get(path), content, `${path} at the server`);
    if (tree.get(path) !== content)
      t.comment(`here: ${await readdir(mnt)}; there: ${[...tree.keys()]}; log: ${installation.log().slice(-20_000)}`);
  }
}

/** @returns what ends it */
async function begin(kind: Kind, pid: number, disk: string): Promise<() => void> {
  if (kind === 'files') return limited(pid, 'files', readdirSync(`/proc/${pid}/fd`).length);
  if (kind === 'memory') {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[0]);
    return limited(pid, 'memory', pages * 4096 + MEMORY);
  }
  const filler = join(disk, 'filler');
  const fd = openSync(filler, 'a');
  const block = Buffer.alloc(2 ** 20);
  const free = (): number => statfsSync(disk).bavail * statfsSync(disk).bsize;
  for (let left = free(); left > 0; left = free())
    try {
      writeSync(fd, block, 0, Math.min(left, block.length));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  closeSync(fd);
  return () => rmSync(filler);
}
