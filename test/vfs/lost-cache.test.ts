import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { ROOT_INODE } from '#src/base/ids.js';
import { versionOf } from '#src/outbox/tree/tree.js';
import { cachedContent } from '#src/project/endpoint/procore-content.js';
import { projectKey } from '#src/project/project.js';
import { takeDescriptors } from '../support/descriptors.js';
import { Files, openProject } from '../support/project.js';

t.test('a cached file that cannot be opened is read all the same, and held by nobody afterwards', async (t) => {
  const { simulator, project, state, fileSystem } = await openProject(t);
  const { signal } = new AbortController();
  await simulator.admin.change({ op: 'create', path: 'file', content: 'content' });
  await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive');
  const files = new Files(fileSystem);
  const read = async (): Promise<string> => String(await files.read('file'));
  t.equal(await read(), 'content');
  const give = takeDescriptors();
  try {
    t.equal(await read(), 'content', 'nothing more can be opened');
  } finally {
    give();
  }
  rmSync(join(state.project(projectKey(project.session)), 'cache', 'blobs'), { recursive: true });
  t.equal(await read(), 'content', 'it is gone');
  const { tree } = project.outbox;
  const held = await cachedContent(project.content, versionOf(tree.child(tree.item(ROOT_INODE)!, 'file')!));
  t.equal(await text(await held.open(0, signal)), 'content', 'for a job');
  held.close();
  t.equal(project.content.stats().open, 0);
});
