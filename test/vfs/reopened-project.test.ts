import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { asNodeId, asProjectId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import type { CompanyProjects } from '#src/mirror/company/company-projects.js';
import { companyFileSystem } from '#src/vfs/company/company-filesystem.js';
import type { OpenedProject } from '#src/vfs/company/served-projects.js';
import { until } from '../support/processes.js';
import { context } from '../support/project.js';

t.test('pages from before a project of a company was closed are not kept', async (t) => {
  const project = { id: asProjectId(1), name: 'one', number: 5 };
  const store = {
    get: () => project,
    remember: () => undefined,
    forgive: () => undefined,
    refusal: () => undefined,
    numbers: { project: () => project.id, number: () => 5, inode: () => 1 },
  };
  let opened = 0;
  let left = 0;
  const open = async (): Promise<OpenedProject> => {
    opened++;
    let handle = 0;
    const fileSystem = {
      rootEntry: { attributes: { mtime: 0, ctime: 0, mode: 0o40755 } },
      open: () => ({ handle: handle++ }),
      release: () => undefined,
      destroy: () => undefined,
      leave: async () => void left++,
    };
    return { fileSystem, release: () => undefined } as unknown as OpenedProject;
  };
  const projects = { store, now: 0, clock: systemClock, events: { off: () => undefined } };
  const owner = { uid: 0, gid: 0, umask: 0o22 };
  const options = { owner, readOnly: false, idle: 0.02, log: silentLog };
  const company = companyFileSystem(projects as unknown as CompanyProjects, open, options);
  t.teardown(() => company.destroy());
  const keepsPages = async (node: number): Promise<boolean> => {
    const file = await company.open(asNodeId(node), 0, context);
    company.release(asNodeId(node), file.handle);
    return file.keepCache !== false;
  };
  // What somebody has open keeps the project open.
  const other = await company.open(asNodeId(8), 0, context);
  t.strictSame([await keepsPages(9), await keepsPages(9), await keepsPages(10)], [false, true, false]);
  company.release(asNodeId(8), other.handle);
  await until(() => left === 1);
  t.notOk(await keepsPages(9), 'it may have been written to meanwhile through another mount');
  t.equal(opened, 2);
});
