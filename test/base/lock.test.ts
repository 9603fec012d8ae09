import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { lock, lockHolder, tryLock } from '#src/base/lock.js';

const folder = mkdtempSync(join(tmpdir(), 'procorefs-lock-'));
t.teardown(() => rmSync(folder, { recursive: true }));

t.test('a lock is held once, says who holds it, and is free after release', async (t) => {
  const path = join(folder, 'a');
  const first = tryLock(path);
  t.ok(first);
  t.equal(tryLock(path), undefined);
  t.equal(lockHolder(path), process.pid);
  first?.release();
  const second = tryLock(path);
  t.ok(second);
  second?.release();
});

t.test('a waiter gets the lock when its holder is killed, and can be aborted before', async (t) => {
  const path = join(folder, 'b');
  const script = `import('${import.meta.resolve('#src/base/lock.js')}').then(({ tryLock }) => {
    if (tryLock(${JSON.stringify(path)})) process.stdout.write('held');
    setInterval(() => {}, 1000);
  })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await t.rejects(lock(path, systemClock, AbortSignal.timeout(50)), { name: 'TimeoutError' });
  const waiting = lock(path, systemClock);
  child.kill('SIGKILL');
  (await waiting).release();
});

t.test('a lock file that cannot be written is locked all the same, once', (t) => {
  // It can be opened, and nothing can be put in it.
  const path = '/dev/full';
  const held = tryLock(path);
  t.ok(held);
  t.equal(tryLock(path), undefined);
  held?.release();
  const again = tryLock(path);
  t.ok(again, 'nothing of the first one is left');
  again?.release();
  t.end();
});
