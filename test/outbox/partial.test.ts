import { createHash } from 'node:crypto';
import t from 'tap';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject } from '../support/project.js';

const base = Buffer.alloc(3_500_000, 'what the server has, ');
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** A project with one file, none of which is on this machine. */
async function withRemoteFile(t: { teardown(cleanup: () => unknown): unknown }): Promise<OpenProject> {
  const project = await openProject(t, { latency: 20 });
  await project.simulator.admin.change({ op: 'create', path: 'plan.bin', base64: base.toString('base64') });
  const { mirror } = project.project;
  await until(() => mirror.view.crawlDone);
  await mirror.pollNow(new AbortController().signal);
  return project;
}

t.test('who writes a part of a file keeps the rest, however soon it is closed', async (t) => {
  const project = await withRemoteFile(t);
  const files = new Files(project.fileSystem);
  await files.write('plan.bin', 'HERE', 2_000_000);
  const wanted = Buffer.from(base);
  wanted.write('HERE', 2_000_000);
  await project.drain();
  const [file] = (await project.simulator.admin.tree()).filter(({ path }) => path === 'plan.bin');
  t.match(file, { sha256: sha256(wanted), versions: 2 });
  t.ok((await files.read('plan.bin')).equals(wanted));
});
