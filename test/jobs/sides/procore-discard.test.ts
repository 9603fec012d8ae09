import t from 'tap';
import { accessOf } from '#src/daemon/jobs/opener.js';
import type { EndpointItem } from '#src/jobs/endpoint.js';
import { ProcoreEndpoint } from '#src/project/endpoint/procore-endpoint.js';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import { until } from '../../support/processes.js';
import { type OpenProject, openProject } from '../../support/project.js';

const { signal } = new AbortController();

const sideOf = ({ project }: OpenProject): ProcoreEndpoint =>
  new ProcoreEndpoint(accessOf(project), {
    job: 'job',
    jobName: 'job',
    path: '',
    whenSpent: 'fail',
    lastPollIsEnough: false,
    locks: false,
  });

/** Somebody does something just before the next deletion arrives at the server. */
function beforeDeletion({ project, simulator }: OpenProject, change: AdminChange): void {
  const { writes } = project.session.session;
  const sends = { deleteFile: writes.deleteFile.bind(writes), deleteFolder: writes.deleteFolder.bind(writes) };
  for (const call of ['deleteFile', 'deleteFolder'] as const)
    writes[call] = async (...args) => {
      Object.assign(writes, sends);
      await simulator.admin.change(change);
      return sends[call](...args);
    };
}

t.test('a job takes away in Procore only what it has seen, also when somebody was faster than its look', async (t) => {
  const open = await openProject(t);
  const { admin } = open.simulator;
  const { mirror } = open.project;
  await until(() => mirror.view.crawlDone);
  const paths = async (): Promise<string[]> =>
    (await admin.tree({ hash: false })).map(({ path }) => path).filter((path) => path !== 'Schedules');
  let tops = 0;
  for (const when of ['before', 'within'] as const)
    for (const [path, change] of [
      ['a.txt', { op: 'update', path: 'a.txt', content: 'newer' }],
      ['folder', { op: 'create', path: 'folder/sub/new.txt', content: 'new' }],
      ['folder', { op: 'update', path: 'folder/sub/a.txt', content: 'newer' }],
      ['empty', { op: 'create', path: 'empty/new.txt', content: 'new' }],
    ] as const) {
      const top = `${++tops}`;
      await admin.changes(
        ['a.txt', 'folder/sub/a.txt', 'folder/b.txt'].map((one) => ({
          op: 'create',
          path: `${top}/${one}`,
          parents: true,
          content: one,
        })),
      );
      await admin.change({ op: 'create', path: `${top}/empty/` });
      await mirror.lookSince(Date.now(), signal);
      const side = sideOf(open);
      const seen = (await side.stat(`${top}/${path}`, signal))!;
      const below = new Map<string, string | undefined>();
      const see = async (folder: string): Promise<void> => {
        for await (const item of side.list(folder, signal)) {
          below.set(item.path, item.version);
          if (item.folder) await see(item.path);
        }
      };
      if (path === 'folder') await see(seen.path);
      const isSeen = (item: EndpointItem): boolean => below.has(item.path) && below.get(item.path) === item.version;
      const theirs = { ...change, path: `${top}/${change.path}` };
      if (when === 'before') await admin.change(theirs);
      else beforeDeletion(open, theirs);
      const code = path === 'empty' && when === 'before' ? 'target-not-empty' : 'target-changed';
      const options = path === 'folder' ? { isSeen, signal } : { signal };
      await t.rejects(side.discard(seen, options), { code }, `${when}: ${theirs.op} ${theirs.path}`);
      const left = await paths();
      t.ok(left.includes(theirs.path), 'it is there');
      t.ok(await side.stat(theirs.path, signal), 'and shows');
    }
});
