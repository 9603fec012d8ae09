import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { asCompanyId, asProjectId, ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { contentVersion } from '#src/cache/project-source.js';
import { Connections } from '#src/connections/store.js';
import { Projects } from '#src/project/projects.js';
import { StateFolder } from '#src/project/state-folder.js';
import { PROJECT_OPTIONS } from '../support/project-options.js';
import { addConnection } from '../support/simulated-connection.js';
import { simulator } from '../support/simulator.js';

const FILE = 3 * 2 ** 20;
const never = new AbortController().signal;

t.test('projects share one limit of cached content, also those that are closed meanwhile', async (t) => {
  const { admin, ready } = await simulator(t, { items: 0, oddNames: 'no', projects: 3 });
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-test-'));
  const state = new StateFolder(folder);
  const connection = addConnection(new Connections(folder), ready);
  const known = ready.projects.map(({ id, name }) => ({
    id: asProjectId(id),
    name,
    company: asCompanyId(ready.company_id),
  }));
  const open = (): Projects => {
    const projectOptions = { ...PROJECT_OPTIONS, cacheLimit: 2.5 * FILE };
    return new Projects({ state, options: {}, projectOptions, lingers: true, log: silentLog });
  };
  let projects = open();
  t.teardown(async () => {
    await projects.close();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const { id } of known)
    await admin.change({ op: 'create', project: id, path: 'plan.pdf', content: 'x'.repeat(FILE) });

  /** Reads the project's file and closes the project; gives what all have together then. */
  const read = async (n: number): Promise<void> => {
    const lease = await projects.acquireKnown(connection, known[n]!);
    await lease.open();
    const { content, mirror } = lease.project;
    const { inode } = await lease.project.find('plan.pdf', 'interactive');
    t.ok(await content.fetch(contentVersion(mirror.view.item(inode)!), never), 'there is room');
    await lease.release();
  };
  const cached = async (): Promise<boolean[]> => {
    const found: boolean[] = [];
    for (const project of known) {
      const lease = await projects.acquireKnown(connection, project);
      found.push(lease.project.content.occupied >= FILE);
      await lease.release();
    }
    return found;
  };

  await read(0);
  await read(1);
  t.strictSame(await cached(), [true, true, false]);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await read(2);
  const now = await cached();
  t.equal(now.filter(Boolean).length, 2, 'one gave way');
  t.ok(now[2], 'the new one is here');

  await projects.close();
  projects = open();
  for (const project of known) projects.rest(connection, project);
  await admin.change({ op: 'update', project: known[2]!.id, path: 'plan.pdf', content: 'y'.repeat(FILE) });
  const lease = await projects.acquireKnown(connection, known[2]!);
  await lease.project.mirror.refresh(lease.project.mirror.view.item(ROOT_INODE)!, 'interactive');
  await lease.release();
  await read(2);
  t.equal((await cached()).filter(Boolean).length, 1, 'what a process before left counts too');
});
