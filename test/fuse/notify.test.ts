import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, read, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { asNodeId } from '#src/base/ids.js';
import { KernelNotifier } from '#src/fuse/kernel/notify.js';
import { until } from '../support/processes.js';

/** Threads of the pool. */
const POOL = Number(process.env.UV_THREADPOOL_SIZE ?? 4);

t.test('a notification that waits when the device is closed is written to no file that gets its number', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-notify-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const ends = openSync(pipe, 'r+');
  t.teardown(() => closeSync(ends));
  const busy = Promise.all(
    Array.from({ length: POOL }, () => new Promise((resolve) => read(ends, Buffer.alloc(1), 0, 1, null, resolve))),
  );
  const device = openSync(join(folder, 'device'), 'w');
  const notifier = new KernelNotifier(device, () => false);
  const first = notifier.invalidateNode(asNodeId(7));
  const second = notifier.invalidateNode(asNodeId(8));
  notifier.close();
  closeSync(device);
  const other = openSync(join(folder, 'other'), 'w');
  t.teardown(() => closeSync(other));
  t.equal(other, device, 'it has the number');
  writeSync(ends, Buffer.alloc(POOL));
  await busy;
  await Promise.all([first, second]);
  await until(() => statSync(join(folder, 'device')).size > 0);
  t.equal(statSync(join(folder, 'other')).size, 0);
  t.ok(statSync(join(folder, 'device')).size < 64, 'the second is not sent any more');
  await notifier.invalidateNode(asNodeId(9));
});
