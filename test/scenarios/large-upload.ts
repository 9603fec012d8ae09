import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '#src/daemon/control.js';
import { StateFolder } from '#src/project/state-folder.js';
import { mounted } from '../support/mounted.js';
import type { Scenario } from './scenarios.js';

const MIB = 2 ** 20;

interface Line {
  readonly path: string;
  readonly state: string;
  readonly sent: number;
}

/** Peak of the resident set in MiB, proc(5) `VmHWM`. */
function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

/**
 * A large sparse file is written into the mount and goes up in segments; the daemon is killed in the middle. The next
 * one goes on: hardly more than the file is sent in all, memory stays bounded, the progress can be seen, and the server
 * has the right bytes, in one version.
 */
export async function largeUpload(t: Scenario, size: number, mostMemory: number): Promise<void> {
  // Slow enough to be killed in its middle: all of it would take 8 s.
  const slow = ['-o', `settle=0,poll=3600,bandwidth=${Math.floor(size / 8)}:off`];
  const project = await mounted(t, { items: 20, oddNames: 'no', latency: 0 }, slow);
  const { installation, simulator, source, mnt } = project;
  const path = join(mnt, 'large.bin');
  const file = await open(path, 'w+');
  await file.truncate(size);
  for (const at of [0, Math.floor(size / 3), size - 5]) await file.write(Buffer.from('mark!'), 0, 5, at);
  await file.sync();
  await file.close();
  await open(join(mnt, 'empty.bin'), 'w').then((empty) => empty.close());
  const wanted = createHash('sha256');
  for await (const chunk of createReadStream(path)) wanted.update(chunk as Buffer);

  // Asked directly: a program a question would be slower than the upload.
  const { socket, pid: first } = new StateFolder(installation.state).mounts()[0]!;
  let seen = 0;
  for (let received = 0; received < size / 4; ) {
    await sleep(10);
    const lines = await askDaemon<Line[]>(socket, 'uploads');
    seen = Math.max(seen, lines.find((line) => line.path === 'large.bin')?.sent ?? 0);
    ({ received } = (await simulator.admin.calls()).storage);
  }
  const peaks = [peakOf(first)];
  process.kill(first, 'SIGKILL');
  t.ok(seen > 0, 'the progress can be seen');
  const before = (await simulator.admin.calls()).storage.received;
  t.comment(`killed after ${Math.round(before / MIB)} MiB`);
  t.ok(before < size, 'it was killed in the middle');
  await installation.must(['mount', source, mnt, '-o', 'settle=0,poll=3600']);
  const { pid } = await installation.status(mnt);
  await installation.must(['drain', mnt, '--timeout', '3000']);
  peaks.push(peakOf(pid));
  const { storage, byRoute } = await simulator.admin.calls();
  const more = (storage.received - size) / MIB;
  t.comment(`sent ${Math.round(more)} MiB more than the file has; peaks ${peaks.map(Math.round).join(', ')} MiB`);
  // What was under way when it was killed is sent again: four segments of 32 MiB at most, and what is too small to be one.
  t.ok(more <= 160, `${Math.round(more)} MiB were sent twice`);
  t.ok(Math.max(...peaks) <= mostMemory, `${Math.max(...peaks)} MiB of memory`);
  const tree = await simulator.admin.tree();
  const stored = tree.find((entry) => entry.path === 'large.bin');
  t.equal(stored?.sha256, wanted.digest('hex'), 'its bytes');
  t.equal(stored?.versions, 1, 'its versions');
  t.equal(tree.find((entry) => entry.path === 'empty.bin')?.size, 0, 'an empty file');
  t.comment(JSON.stringify(byRoute));
}
