import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_INODE } from '#src/base/ids.js';
import { context, Files, openProject } from '../../support/project.js';
import { atMost, type Case, type Row, reported } from '../case.js';
import type { Scope } from '../scope.js';

const ITEMS = 100_000;
/** Bytes. */
const SYNCED = 2 ** 31;
const O_RDWR = 2;
/** Milliseconds for which the driver's thread may be busy with one thing. */
const LONGEST = 20;
const never = new AbortController().signal;

/**
 * How long the thread that answers the kernel is busy at once, while the mirror is filled, compared and changed; with a
 * server that compresses its replies, and one that does not.
 */
export const eventLoop: Case = {
  name: 'event-loop',
  async run(scope, say) {
    return [...(await rowsOf(scope, say, 'gzip')), ...(await rowsOf(scope, say, 'none'))];
  },
};

async function rowsOf(scope: Scope, say: (line: string) => void, compression: 'gzip' | 'none'): Promise<Row[]> {
  const settings = { items: ITEMS, oddNames: 'no', switch: [`compression=${compression}`] } as const;
  const how = compression === 'gzip' ? '' : ', replies uncompressed';
  const rows: Row[] = [];
  const opened = await openProject(scope, settings, { pollInterval: 3600 });
  const { project, simulator, fileSystem } = opened;
  const files = new Files(fileSystem);
  const during = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    const busy = longestTurn();
    const began = performance.now();
    await work();
    delays.disable();
    const longest = ms(busy());
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    say(`${what}${how}: ${seconds} s, longest ${longest.toFixed(1)} ms, by the clock ${ms(delays.max).toFixed(1)} ms`);
    rows.push(atMost(`the thread is busy at once, ${what}${how}`, LONGEST, 'ms', longest));
  };
  await during(`a crawl of ${ITEMS} items`, async () => {
    while (!project.mirror.view.crawlDone) await sleep(20);
  });
  await during('a sweep', () => project.mirror.sweepNow('background', never));
  await simulator.admin.change({ op: 'create', path: 'wide', type: 'folder' });
  await simulator.admin.change({ op: 'create', path: 'wide/entry #.txt', count: ITEMS, content: 'x' });
  const { mirror } = project;
  await during(`a listing of a folder of ${ITEMS}`, async () => {
    await mirror.refresh(mirror.view.item(ROOT_INODE)!, 'interactive');
    const { remoteId } = mirror.view.child(mirror.view.item(ROOT_INODE)!, 'wide')!;
    await mirror.refresh(mirror.view.byRemoteId(remoteId)!, 'interactive');
  });
  await during(`a poll that brings ${ITEMS} files`, () => project.mirror.pollNow(never));
  await during(`a rename of a folder of ${ITEMS}`, async () => {
    await files.rename('wide', 'wider');
    await opened.drain();
  });
  await during('a rename of it by somebody else', async () => {
    await simulator.admin.change({ op: 'rename', path: 'wider', to: 'widest' });
    await project.mirror.pollNow(never);
  });
  if (compression === 'gzip') {
    const { node } = fileSystem.rootEntry;
    const { entry, file } = await fileSystem.writable.create(node, 'large', 0o644, O_RDWR, context);
    const part = Buffer.alloc(2 ** 20, 'x');
    for (let at = 0; at < SYNCED; at += part.length)
      await fileSystem.writable.write(entry.node, file.handle, at, part, context);
    await during('an fsync of 2 GiB', async () => fileSystem.writable.fsync(entry.node, file.handle, false, context));
  }
  rows.push(reported(`calls in all${how}`, String((await simulator.admin.calls()).total)));
  return rows;
}

const ms = (nanoseconds: number): number => nanoseconds / 1e6;

/**
 * The longest time that this thread spent on a processor between two turns of its loop, nanoseconds; what it waits for a
 * processor while others have it is not counted (`schedstat` in the kernel's Documentation/scheduler/sched-stats.rst).
 */
function longestTurn(): () => number {
  const spent = (): number => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);
  let last = spent();
  let longest = 0;
  const timer = setInterval(() => {
    const now = spent();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}
