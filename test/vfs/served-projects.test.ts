import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { asProjectId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import type { CompanyProjects } from '#src/mirror/company/company-projects.js';
import type { CompanyProject } from '#src/mirror/company/store.js';
import { type OpenedProject, ServedProjects } from '#src/vfs/company/served-projects.js';
import { until } from '../support/processes.js';

t.test('a project that nobody uses is left although the disk does not take how it looks', async (t) => {
  let [refused, left, released] = [0, 0, 0];
  const store = {
    get: () => ({}),
    remember: () => {
      refused++;
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    },
    forgive: () => undefined,
    refusal: () => undefined,
    numbers: {},
  };
  const fileSystem = {
    rootEntry: { attributes: { mtime: 0, ctime: 0, mode: 0o40755 } },
    leave: async () => left++,
  };
  const served = new ServedProjects({
    company: { store, now: 0, clock: systemClock } as unknown as CompanyProjects,
    open: async () => ({ fileSystem, release: () => released++ }) as unknown as OpenedProject,
    idle: 20,
    mode: 0o755,
    log: silentLog,
  });
  t.teardown(() => served.close());
  const { signal } = new AbortController();
  await served.use({ id: asProjectId(1), name: 'one' } as CompanyProject, { signal }, async () => undefined);
  await until(() => refused > 0);
  t.strictSame([left, released], [1, 1]);
});
