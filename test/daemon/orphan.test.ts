import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { holdConnection } from '../helpers/held-connection.js';
import { isMounted, mounted, run } from '../helpers/mounted.js';

const skip = process.getuid?.() === 0 ? false : 'needs root';

for (const next of ['mount', 'umount'] as const) {
  t.test(`${next} frees what hangs on a daemon that was killed while the kernel held it`, { skip }, async (t) => {
    const { installation, simulator, mnt } = await mounted(t, { items: 5, oddNames: 'no' }, ['-o', 'settle=3600']);
    await installation.crawled(mnt);
    writeFileSync(join(mnt, 'kept.txt'), 'kept');
    const { pid } = await installation.status(mnt);
    const letGo = holdConnection(pid);
    t.teardown(letGo);
    process.kill(pid, 'SIGKILL');
    const hanging = spawn('mkdir', [join(mnt, 'folder')]);
    const ended = once(hanging, 'exit');
    await sleep(500);
    t.equal(hanging.exitCode, null, 'a program waits for ever');
    t.match(await installation.procorefs(['status']), { stdout: /dead/ });

    const words = next === 'mount' ? ['mount', `Procore:${simulator.ready.projects[0]!.id}`, mnt] : ['umount', mnt];
    await installation.must(words);
    t.strictSame(await ended, [1, null], 'it was told that nobody answers');
    t.equal(isMounted(mnt), next === 'mount');
    if (next === 'mount') t.match(await run('cat', [join(mnt, 'kept.txt')]), { stdout: 'kept' });
  });
}
