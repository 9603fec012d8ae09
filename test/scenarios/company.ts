import { Connections } from '#src/connections/store.js';
import { StateFolder } from '#src/project/state-folder.js';
import { Daemon } from '../support/daemon.js';
import { Installation, run } from '../support/mounted.js';
import { addConnection } from '../support/simulated-connection.js';
import { simulator } from '../support/simulator.js';
import { memoryOf, type Scenario } from './scenarios.js';

/** Projects that a mount keeps open although nobody uses them. */
const OPEN = 10;
const MOST_MB = 450;
/** Calls before `ls`, and of a project that is walked through: its root, folders ahead of the crawl, the crawl. */
const FIRST_CALLS = 5;
const PROJECT_CALLS = 8;

/** A company in one mount that is listed and then walked through whole: what it costs, and what stays open. */
export async function companyScenario(t: Scenario, projects: number, items: number): Promise<void> {
  const { ready, admin } = await simulator(t, {
    projects,
    items,
    oddNames: 'no',
    spike: 3000,
    hourly: 1_000_000,
  });
  const installation = new Installation(t);
  addConnection(new Connections(new StateFolder(installation.state).path), ready);
  const mnt = installation.mountpoint();
  const daemon = new Daemon({ installation, mnt });
  await installation.must(['mount', 'Procore:', mnt, '-o', 'poll=3600']);
  const names = await run('ls', ['-l', mnt]);
  t.equal(names.stdout.trim().split('\n').length, projects + 1, 'all projects are listed');
  const first = (await admin.calls()).total;
  t.ok(first <= FIRST_CALLS, `${first} calls before ls`);

  const walk = async (): Promise<string[]> => {
    const found = await run('find', [mnt, '-printf', '%i\n'], { timeout: 1_200_000 });
    t.equal(found.code, 0, found.stderr);
    return found.stdout.trim().split('\n').sort();
  };
  const numbers = await walk();
  t.equal(new Set(numbers).size, numbers.length, 'each item has a number of its own');
  t.ok(numbers.length > projects * items, `${numbers.length} items`);
  const { total } = await admin.calls();
  t.ok(total <= projects * PROJECT_CALLS, `${total} calls`);
  const { now, most } = await memoryOf(daemon.pid);
  t.comment(`${projects} projects, ${numbers.length} items: ${total} calls, ${most} MB at most, ${now} MB now`);
  t.ok(most <= MOST_MB, `${most} MB`);
  const open = (await daemon.status()).projects?.length ?? 0;
  t.ok(open <= OPEN, `${open} projects are open`);

  await installation.must(['umount', mnt]);
  await admin.reset();
  await installation.must(['mount', 'Procore:', mnt, '-o', 'poll=3600']);
  await run('ls', ['-l', mnt]);
  t.equal((await admin.calls()).total, 0, 'calls before ls of a known company');
  t.equal((await walk()).join(), numbers.join(), 'the numbers are those of before');
}
