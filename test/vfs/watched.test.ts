import t from 'tap';
import { type Inode, ROOT_NODE } from '#src/base/ids.js';
import { WATCHED_S } from '#src/mirror/sync/poll-interval.js';
import { until } from '../support/processes.js';
import { context, openProject } from '../support/project.js';

t.test('who only asks whether a file is there is looked after as who opens the folder', async (t) => {
  const { fileSystem, project } = await openProject(t);
  const { mirror } = project;
  await until(() => mirror.view.crawlDone);
  fileSystem.mounted({
    canInvalidate: true,
    invalidateNode: () => Promise.resolve(true),
    invalidateEntry: () => Promise.resolve(),
  });
  const seen: Inode[] = [];
  const { opened } = mirror;
  mirror.opened = (folder) => {
    seen.push(folder);
    opened.call(mirror, folder);
  };
  const missing = await fileSystem.lookup(ROOT_NODE, 'not yet.txt', context);
  t.equal(seen.length, 1);
  t.ok(missing.entryTimeout <= WATCHED_S, 'the kernel asks again while it counts');
  const folder = await fileSystem.lookup(ROOT_NODE, 'Schedules', context);
  t.ok(folder.node !== undefined && folder.entryTimeout <= WATCHED_S && folder.attributeTimeout <= WATCHED_S);
  t.equal(seen.length, 1, 'who goes through a folder looks at none');
});
