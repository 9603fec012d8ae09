import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { Connections } from '#src/connections/store.js';
import { JobOpener, jobsDatabasePath } from '#src/daemon/jobs/opener.js';
import { type Job, parseJobBody } from '#src/jobs/definition/job-schema.js';
import { JobEngine } from '#src/jobs/engine.js';
import type { Opener } from '#src/jobs/opener.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { Uploads } from '#src/procore/uploads.js';
import { Projects } from '#src/project/projects.js';
import { StateFolder } from '#src/project/state-folder.js';
import { put } from './jobs.js';
import { PROJECT_OPTIONS } from './project-options.js';
import { addConnection } from './simulated-connection.js';
import { simulator } from './simulator.js';

const MIB = 2 ** 20;

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** Two projects of one account, a folder, and an engine in this process whose writes into projects can be made to fail. */
export async function jobProjects(t: Teardown, switches?: Readonly<Record<string, string>>) {
  const { ready, admin } = await simulator(t, {
    items: 0,
    oddNames: 'no',
    projects: 2,
    spike: 3000,
    hourly: 1_000_000,
  });
  if (switches) await admin.switches(switches);
  const top = mkdtempSync(join(tmpdir(), 'procorefs-test-'));
  const state = new StateFolder(join(top, 'state'));
  const connections = new Connections(state.path);
  const { id } = addConnection(connections, ready);
  const folder = join(top, 'folder');
  put(folder, { 'one.txt': '1' });
  const disk = connections.addTarget({ name: 'disk', platform: 'fs', uri: folder }, undefined, {});
  const projects = new Projects({ state, options: {}, projectOptions: PROJECT_OPTIONS, log: silentLog });
  const own = new JobOpener({ state, projects, log: silentLog });
  const failing = { at: 0, writes: 0 };
  const opener: Opener = {
    place: (reference) => own.place(reference),
    looksEvery: (job, seconds) => own.looksEvery(job, seconds),
    async open(reference, request) {
      const side = await own.open(reference, request);
      const write = side.write.bind(side);
      side.write = (path, content, options) => {
        if (++failing.writes === failing.at)
          return Promise.reject(new Failure('target-denied', { target: side.root, path }));
        return write(path, content, options);
      };
      return side;
    },
  };
  const store = new JobStore(jobsDatabasePath(state));
  const engine = new JobEngine({ store, opener, folder: state.jobs(), log: silentLog });
  t.teardown(async () => {
    await engine.close();
    store.close();
    rmSync(top, { recursive: true, force: true });
  });
  const [a, b] = ready.projects.map((project) => ({ connection: { id }, target: { path: `/${project.id}` } }));
  // Held from the first run to the last: to open them anew for each would take most of the time.
  const both = parseJobBody({ name: 'both', transfer: { source: a, destination: b } }) as unknown as Job;
  const claim = await own.claim(both, 'manual', {}, new AbortController().signal);
  t.teardown(() => claim?.release());
  /** What somebody does when the version of a job is sent: when its last look is over, or when it is made. */
  const meanwhile: { before?: (() => unknown) | undefined; after?: (() => unknown) | undefined } = {};
  for (const { session } of projects.all) {
    const { client, writes } = session.session;
    const create = writes.createVersion.bind(writes);
    writes.createVersion = async (...words) => {
      const { before, after } = meanwhile;
      meanwhile.before = meanwhile.after = undefined;
      await before?.();
      return create(...words).finally(after);
    };
    // Small enough for a test.
    const value = new Uploads(client.api, { segmentAbove: 6 * MIB, segmentSize: 5 * MIB, parallel: 1 });
    Object.defineProperty(session.session, 'uploads', { value });
    t.teardown(() => value.close());
  }
  const add = async (transfer: object) => {
    const body = parseJobBody({ name: `job ${store.list().length}`, transfer, schedule: { mode: 'manual' } });
    await engine.check(body.name, body.transfer);
    return store.add(body);
  };
  /** The mirror of the first or second project. */
  const mirror = async (n: 0 | 1) => {
    const lease = await projects.acquire({ connection: id, project: String(ready.projects[n]!.id), folder: '' });
    t.teardown(() => lease.release());
    await lease.open(new AbortController().signal);
    return lease.project.mirror;
  };
  const project = ready.projects[1]!.id;
  /** Hashes of the versions of a file of the second project, the oldest first, by the place of their content. */
  const versions = async (path: string) =>
    (await admin.history({ project })).find((one) => one.path === path && !one.deleted)?.history.toReversed();
  return {
    admin,
    folder,
    failing,
    meanwhile,
    engine,
    store,
    add,
    mirror,
    versions,
    ends: { a: a!, b: b!, disk: { connection: { id: disk.id } } },
  };
}
