import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Daemon } from '../support/daemon.js';
import { Installation, type MountedProject, run } from '../support/mounted.js';
import { must } from '../support/programs.js';
import { simulator, type TreeEntry } from '../support/simulator.js';

const settings = { items: 0, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;
const MIB = 2 ** 20;
const needsRoot = process.getuid?.() === 0 ? false : 'needs root: it mounts a small tmpfs';
const sum = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

interface SmallDisk extends MountedProject {
  readonly disk: string;
  /** Takes all the room but so many bytes. */
  fill(but?: number): void;
  /** Gives back what `fill` took. */
  free(): void;
}

/** A project whose state folder is on a disk of so many MiB. */
async function onSmallDisk(t: Test, size: number, words: readonly string[]): Promise<SmallDisk> {
  const disk = mkdtempSync(join(tmpdir(), 'procorefs-small-'));
  t.teardown(async () => {
    await run('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  });
  const small = await run('mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'tmpfs', disk]);
  t.equal(small.code, 0, small.stderr);
  const running = await simulator(t, settings);
  const installation = new Installation(t, join(disk, 'state'));
  await installation.connect(running);
  const mnt = installation.mountpoint();
  const source = `Procore:${running.ready.projects[0]!.id}`;
  for (const path of ['old.txt', 'other.txt']) await running.admin.change({ op: 'create', path, content: path });
  await installation.must(['mount', source, mnt, ...words]);
  const filler = join(disk, 'filler');
  const fill = (but = 0): void => {
    const fd = openSync(filler, 'a');
    const block = Buffer.alloc(MIB);
    const free = (): number => {
      const { bavail, bsize } = statfsSync(disk);
      return bavail * bsize - but;
    };
    for (let left = free(); left > 0; left = free())
      try {
        writeSync(fd, block, 0, Math.min(left, MIB));
      } catch (error) {
        // The daemon was faster and took the rest for itself, or gives some back: it is looked at again.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    closeSync(fd);
  };
  return { installation, simulator: running, source, mnt, disk, fill, free: () => rmSync(filler) };
}

const tree = async ({ simulator }: MountedProject): Promise<Map<string, TreeEntry>> =>
  new Map((await simulator.admin.tree()).map((entry) => [entry.path, entry]));

/** truncate(2), of which node knows only the one by descriptor. */
const emptied = (path: string): Promise<unknown> =>
  must('python3', ['-c', 'import os, sys; os.truncate(sys.argv[1], 0)', path]);

t.test(
  'a disk with nothing left but its reserve: ENOSPC for what grows, all else can be done',
  { skip: needsRoot },
  async (t) => {
    const project = await onSmallDisk(t, 48, ['-o', 'settle=3600,delete_delay=3600,poll=3600,cache_reserve=24m']);
    const { mnt } = project;
    const daemon = new Daemon(project);
    const at = (name: string): string => join(mnt, name);
    await writeFile(at('kept.txt'), 'kept');
    await writeFile(at('emptied.txt'), 'emptied');
    await writeFile(at('gone.txt'), 'gone');
    await t.rejects(truncate(at('kept.txt'), 40 * MIB), { code: 'ENOSPC' }, 'truncate');
    t.match((await run('fallocate', ['-l', '40M', at('kept.txt')])).stderr, /No space left/, 'fallocate');
    project.fill(20 * MIB);
    await sleep(200);
    await t.rejects(writeFile(at('new.txt'), 'x'), { code: 'ENOSPC' }, 'open of a new file');
    await t.rejects(open(at('kept.txt'), 'r+'), { code: 'ENOSPC' }, 'open of a known file');
    await t.rejects(writeFile(at('kept.txt'), 'x'), { code: 'ENOSPC' }, 'what would be written anew');
    t.equal(await readFile(at('kept.txt'), 'utf8'), 'kept', 'keeps its content');
    await mkdir(at('folder'));
    await rename(at('old.txt'), at('folder/old.txt'));
    await rm(at('gone.txt'));
    await rm(at('other.txt'));
    await emptied(at('emptied.txt'));
    project.free();
    t.strictSame(await daemon.drain(), []);
    const found = await tree(project);
    t.match(found.get('kept.txt'), { sha256: sum('kept'), versions: 1 });
    t.match(found.get('emptied.txt'), { size: 0, versions: 1 });
    t.strictSame([...found.keys()].sort(), ['Schedules', 'emptied.txt', 'folder', 'folder/old.txt', 'kept.txt']);
  },
);

t.test(
  'a disk without any room: what was begun fails cleanly, nothing is lost, room can be made',
  { skip: needsRoot },
  async (t) => {
    const words = ['-o', 'settle=3600,delete_delay=3600,poll=3600,cache_reserve=0'];
    const project = await onSmallDisk(t, 32, words);
    const { installation, source, mnt, disk } = project;
    const daemon = new Daemon(project);
    const at = (name: string): string => join(mnt, name);
    const room = (): number => {
      const { bavail, bsize } = statfsSync(disk);
      return bavail * bsize;
    };
    await writeFile(at('big.bin'), Buffer.alloc(6 * MIB, 'b'));
    await writeFile(at('emptied.bin'), Buffer.alloc(2 * MIB, 'e'));
    const saved = Buffer.alloc(MIB, 's');
    await writeFile(at('save.bin'), saved);
    const middle = await open(at('middle.bin'), 'w');
    await middle.write(Buffer.alloc(MIB, 'm'));
    project.fill();
    // The daemon has room of its own, of which it gives back a little whenever it writes.
    t.ok(room() <= 65_536, `${room()} bytes are free`);
    await t.rejects(middle.writeFile(Buffer.alloc(4 * MIB, 'm')), { code: 'ENOSPC' }, 'a write in the middle');
    await middle.close().catch((error: NodeJS.ErrnoException) => t.equal(error.code, 'ENOSPC', 'or at the close'));
    await t.rejects(writeFile(at('more.bin'), Buffer.alloc(MIB)), { code: 'ENOSPC' }, 'a new file');
    await mkdir(at('folder'));
    await rename(at('save.bin'), at('folder/saved.bin'));
    await rename(at('old.txt'), at('folder/old.txt'));
    await rm(at('other.txt'));
    t.ok(room() < 2 * MIB, 'all that on a full disk');
    await emptied(at('emptied.bin'));
    t.ok(room() >= 2 * MIB - 65_536, 'emptying makes room');
    project.fill();
    await rm(at('big.bin'));
    t.ok(room() >= 6 * MIB - 65_536, 'so does deleting');
    project.fill();
    await rm(at('more.bin'), { force: true });
    t.strictSame((await readdir(mnt)).sort(), ['Schedules', 'emptied.bin', 'folder', 'middle.bin']);

    await daemon.kill();
    project.free();
    await installation.must(['mount', source, mnt, ...words]);
    t.ok((await readFile(at('folder/saved.bin'))).equals(saved), 'after a crash on the full disk');
    const left = await daemon.drain();
    t.match(left, [{ path: 'middle.bin', state: 'held', reason: /incomplete|being written/ }], 'half a file is held');
    t.notOk((await tree(project)).has('middle.bin'), 'and is not at the server');
    await writeFile(at('middle.bin'), 'written anew');
    t.strictSame(await daemon.drain(), []);
    const found = await tree(project);
    t.match(found.get('folder/saved.bin'), { sha256: sum(saved), versions: 1 });
    t.match(found.get('folder/old.txt'), { sha256: sum('old.txt'), versions: 1 });
    t.match(found.get('middle.bin'), { sha256: sum('written anew'), versions: 1 });
    t.match(found.get('emptied.bin'), { size: 0, versions: 1 });
    t.equal(found.size, 6, 'and nothing else');
  },
);

t.test(
  'a cache without any room: every read has its bytes, and what is read is kept again when there is room',
  {
    skip: needsRoot,
  },
  async (t) => {
    const project = await onSmallDisk(t, 48, ['-o', 'poll=3600,cache_reserve=0']);
    const { installation, simulator, mnt } = project;
    const daemon = new Daemon(project);
    const content = (name: string): string => `${name} `.repeat((2 * MIB) / (name.length + 1));
    const names = ['cached.bin', ...Array.from({ length: 8 }, (_, n) => `large ${n}.bin`)];
    for (const name of names) await simulator.admin.change({ op: 'create', path: name, content: content(name) });
    await simulator.admin.change({ op: 'create', path: 'small', type: 'folder' });
    for (let n = 0; n < 200; n++)
      await simulator.admin.change({ op: 'create', path: `small/${n}.txt`, content: `small ${n}` });
    await daemon.refresh();
    await daemon.refresh('small');
    const read = (name: string): Promise<string> => readFile(join(mnt, name), 'utf8');
    t.equal(sum(await read('cached.bin')), sum(content('cached.bin')));
    project.fill();
    for (const name of names) t.equal(sum(await read(name)), sum(content(name)), name);
    for (let n = 0; n < 200; n++) t.equal(await read(`small/${n}.txt`), `small ${n}`);
    // Also what eviction has made free is taken by somebody else.
    project.fill();
    const scattered = await open(join(mnt, 'large 3.bin'));
    const bytes = Buffer.alloc(5000);
    for (const at of [1_500_000, 3, 2_000_000, 700_000]) {
      await scattered.read(bytes, 0, 5000, at);
      t.equal(bytes.toString(), content('large 3.bin').slice(at, at + 5000), `here and there: ${at}`);
    }
    await scattered.close();
    t.notMatch(installation.log(), /"level":"error"/);
    project.free();
    // Nothing is stored for a moment after the disk was found full.
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(500)) {
      await read('large 5.bin');
      await simulator.admin.reset();
      await read('large 5.bin');
      if ((await simulator.admin.calls()).storage.requests === 0) break;
    }
    t.equal((await simulator.admin.calls()).storage.requests, 0, 'it is kept again');
    await installation.must(['umount', mnt]);
    // What a daemon removes at its very end makes room.
    await installation.ended();
    project.fill();
    const refused = await installation.procorefs(['mount', project.source, mnt]);
    t.match(refused.stderr, /there is no space for .* on .*; free some space there/, 'what cannot start says why');
  },
);
