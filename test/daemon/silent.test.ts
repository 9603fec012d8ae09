import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { asProjectId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import { Connections } from '#src/connections/store.js';
import { ConfiguredMounts } from '#src/daemon/configured-mounts.js';
import { askWithin } from '#src/daemon/control.js';
import { JobOpener } from '#src/daemon/jobs/opener.js';
import { mountViews } from '#src/daemon/mount-views.js';
import type { Job } from '#src/jobs/definition/job-schema.js';
import { Owned } from '#src/project/project.js';
import type { Projects } from '#src/project/projects.js';
import { type MountRecord, StateFolder } from '#src/project/state-folder.js';
import { until } from '../support/processes.js';

const folder = mkdtempSync(join(tmpdir(), 'procorefs-silent-'));
const state = new StateFolder(folder);
const sockets = new Set<Socket>();
/** A daemon that takes questions and answers none, as one that was stopped. */
const silent = createServer((socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  // Else it would not learn that the other end has gone.
  socket.resume();
});
const path = join(folder, 'run', 'silent.sock');
const record: MountRecord = {
  mountpoint: '/mnt/silent',
  source: 'Procore:1',
  pid: process.pid,
  since: Date.now(),
  socket: path,
  log: '',
};
t.before(async () => {
  await new Promise<void>((resolve) => silent.listen(path, resolve));
  state.writeMount(record);
});
t.teardown(() => {
  for (const socket of sockets) socket.destroy();
  silent.close();
  rmSync(folder, { recursive: true });
});

t.test('a daemon that does not answer is named, and shown among the others', async (t) => {
  await t.rejects(askWithin(50, record, 'status'), { code: 'daemon-silent', details: { pid: process.pid } });
  t.match(await mountViews(state, 50).status(), [{ mountpoint: '/mnt/silent', state: 'dead', reason: /not answered/ }]);
});

t.test('a job that another process runs does not keep this one from ending', async (t) => {
  const { id } = new Connections(folder).add(
    {
      apiUrl: 'http://127.0.0.1:1',
      loginUrl: 'http://127.0.0.1:1',
      clientId: 'client',
      grant: 'client-credentials',
      project: asProjectId(1),
    },
    new Secret('secret'),
  );
  const projects = { acquire: () => Promise.reject(new Owned(process.pid)) } as unknown as Projects;
  const opener = new JobOpener({ state, projects, log: silentLog });
  const end = { connection: { id }, target: { path: '' } };
  const job = { id: '1', transfer: { source: end, destination: end } } as unknown as Job;
  const ending = new AbortController();
  const claimed = opener.claim(job, 'manual', {}, ending.signal);
  await until(() => sockets.size > 0);
  ending.abort(new Failure('interrupted'));
  t.equal(await claimed, undefined);
  await until(() => sockets.size === 0);
});

t.test('a mount that does not come up does not keep the service from ending', async (t) => {
  let [isBegun, isEnded] = [false, false];
  const mounts = new ConfiguredMounts({
    state,
    mounts: [{ source: 'Procore:2', mountpoint: join(folder, 'mnt'), options: {}, generic: [] }],
    start: (_, signal) =>
      new Promise((_, reject) => {
        isBegun = true;
        signal?.addEventListener('abort', () => {
          isEnded = true;
          reject(signal.reason);
        });
      }),
    log: silentLog,
  });
  const started = mounts.start();
  await until(() => isBegun);
  await mounts.close();
  t.ok(isEnded);
  await started;
});
