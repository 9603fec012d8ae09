import { readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT_INODE } from '#src/base/ids.js';
import { tryLock } from '#src/base/lock.js';
import { silentLog } from '#src/base/log.js';
import { Project, projectKey } from '#src/project/project.js';
import { until } from '../support/processes.js';
import { Files, openProject } from '../support/project.js';
import { PROJECT_OPTIONS } from '../support/project-options.js';

t.test('what the disk refuses in the background is tried again, and ends nothing', async (t) => {
  const open = await openProject(t);
  const files = new Files(open.fileSystem);
  const { outbox, checkouts } = open.project;
  const { database } = outbox.intents;

  await t.test('looking what can go up', async (t) => {
    const takeTouched = outbox.intents.takeTouched.bind(outbox.intents);
    let looks = 0;
    outbox.intents.takeTouched = () => {
      if (looks++ === 0) throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
      return takeTouched();
    };
    await files.write('file', 'content');
    await until(() => looks > 0);
    await open.drain();
    t.ok((await open.simulator.admin.tree()).some(({ path }) => path === 'file'));
  });

  await t.test('forgetting check-outs that are over', async (t) => {
    const item = outbox.tree.child(outbox.tree.item(ROOT_INODE)!, 'file')!;
    await checkouts.take(item, 5, 'asked', { class: 'interactive' });
    const left = (): unknown => database.prepare('SELECT count(*) FROM checkouts').pluck().get();
    t.equal(left(), 1);
    database.exec('ALTER TABLE checkouts RENAME TO lost');
    await until(() => checkouts.own(item.inode) === undefined);
    let looks = 0;
    const forget = checkouts.forget.bind(checkouts);
    checkouts.forget = (inode) => {
      looks++;
      forget(inode);
    };
    outbox.events.emit('changed');
    await until(() => looks > 0);
    database.exec('ALTER TABLE lost RENAME TO checkouts');
    outbox.events.emit('changed');
    await until(() => left() === 0);
    t.pass();
  });

  await t.test('closing: the project is free for the next owner', async (t) => {
    const { project } = open;
    const { content } = project;
    const close = content.close.bind(content);
    content.close = async () => {
      await close();
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    };
    await t.rejects(project.close(), { code: 'SQLITE_FULL' });
    content.close = close;
    const lock = tryLock(join(open.state.project(projectKey(project.session)), 'lock'));
    t.ok(lock);
    lock?.release();
  });
});

/** Undefined for a descriptor that is closed by now. */
function placeOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

t.test('a project whose outbox is damaged is not opened, and nothing of it stays open', async (t) => {
  const open = await openProject(t);
  const folder = open.state.project(projectKey(open.project.session));
  const isOpen = (): string[] =>
    readdirSync('/proc/self/fd').flatMap((fd) => {
      const place = placeOf(fd);
      return place?.startsWith(folder) ? [place] : [];
    });
  await open.project.close();
  for (const name of readdirSync(folder)) if (name.startsWith('outbox.db')) rmSync(join(folder, name));
  writeFileSync(join(folder, 'outbox.db'), 'no database at all '.repeat(1000));
  await t.rejects(Project.open(open.project.session, open.state, PROJECT_OPTIONS, silentLog), {
    code: 'database-damaged',
  });
  t.strictSame(isOpen(), []);
});
