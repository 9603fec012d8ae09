import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { holdConnection } from '../support/held-connection.js';
import { isMounted, type MountedProject, mounted, run } from '../support/mounted.js';
import { until } from '../support/processes.js';

const skip = process.getuid?.() === 0 ? false : 'needs root';

interface Orphan extends MountedProject {
  /** How a program ended that was waiting for the daemon. */
  readonly ended: Promise<unknown>;
}

/** A mount whose daemon was killed while the kernel held it; something waits for an answer. */
async function orphan(t: Test, guarded: boolean): Promise<Orphan> {
  const project = await mounted(t, { items: 5, oddNames: 'no' }, ['-o', 'settle=3600']);
  const { installation, mnt } = project;
  await installation.crawled(mnt);
  writeFileSync(join(mnt, 'kept.txt'), 'kept');
  const { pid } = await installation.status(mnt);
  t.teardown(holdConnection(pid));
  if (!guarded) await run('pkill', ['-KILL', '-P', String(pid), '-f', 'procorefs-guard']);
  process.kill(pid, 'SIGSTOP');
  const hanging = spawn('mkdir', [join(mnt, 'folder')]);
  const ended = once(hanging, 'exit');
  process.kill(pid, 'SIGKILL');
  await until(async () => /dead/.test((await installation.procorefs(['status'])).stdout));
  if (!guarded) t.equal(hanging.exitCode, null, 'a program waits for ever');
  return { ...project, ended };
}

t.test('what waits for a daemon that was killed is told that nobody answers', { skip }, async (t) => {
  const { ended, mnt } = await orphan(t, true);
  t.strictSame(await ended, [1, null]);
  t.match(await run('ls', [mnt]), { code: 2 });
});

for (const next of ['mount', 'umount'] as const) {
  t.test(`${next} frees what hangs where nothing guards it`, { skip }, async (t) => {
    const { installation, source, mnt, ended } = await orphan(t, false);
    await installation.must(next === 'mount' ? ['mount', source, mnt] : ['umount', mnt]);
    t.strictSame(await ended, [1, null], 'it was told that nobody answers');
    t.equal(isMounted(mnt), next === 'mount');
    if (next === 'mount') t.match(await run('cat', [join(mnt, 'kept.txt')]), { stdout: 'kept' });
  });
}

t.test('the guard of a mount ends with it', { skip }, async (t) => {
  const { installation, mnt } = await mounted(t, { items: 0, oddNames: 'no' });
  const guards = async (): Promise<string> => (await run('pgrep', ['-f', `procorefs-guard .* ${mnt}$`])).stdout;
  await until(async () => /^\d+\n$/.test(await guards()));
  await installation.must(['umount', mnt]);
  t.equal(await guards(), '');
});
