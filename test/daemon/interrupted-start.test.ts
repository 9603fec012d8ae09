import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Installation, isMounted, MAIN } from '../support/mounted.js';
import { processesWith, until } from '../support/processes.js';
import { simulator } from '../support/simulator.js';

t.test('a daemon that is told to end while it starts leaves no mount', async (t) => {
  const running = await simulator(t, { items: 5, oddNames: 'no' });
  const installation = new Installation(t);
  await installation.connect(running);
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const daemons = () =>
    processesWith(`PROCOREFS_STATE=${installation.state}`).filter(({ command }) => / daemon$/.test(command));

  await t.test('by a signal when the mount is just made', async (t) => {
    const mnt = installation.mountpoint();
    const mounting = installation.procorefs(['mount', source, mnt]);
    while (!isMounted(mnt)) await new Promise((resolve) => setTimeout(resolve, 1));
    for (const { pid } of daemons()) process.kill(pid, 'SIGTERM');
    await mounting;
    await installation.ended();
    t.notOk(isMounted(mnt));
  });

  await t.test('nobody hears the warnings of a command: it mounts all the same', async (t) => {
    const mnt = installation.mountpoint('unheard');
    const command = spawn(process.execPath, [MAIN, 'mount', source, mnt], {
      env: installation.environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    command.stderr.destroy();
    t.strictSame(await once(command, 'exit'), [0, null]);
    t.ok(isMounted(mnt));
    await installation.must(['umount', mnt]);
  });

  await t.test('when the command that started it has gone', async (t) => {
    const other = new Installation(t);
    await other.connect(running);
    await running.admin.network('silent');
    const mnt = other.mountpoint();
    const command = spawn(process.execPath, [MAIN, 'mount', source, mnt], { env: other.environment, stdio: 'ignore' });
    const left = () => processesWith(`PROCOREFS_STATE=${other.state}`);
    // It has its request, and waits for the server.
    await until(() => readdirSync(join(other.state, 'projects')).length > 0);
    command.kill('SIGINT');
    await once(command, 'exit');
    await until(() => left().length === 0);
    t.notOk(isMounted(mnt));
  });
});
