import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { BatchWriter } from '#src/endpoints/folder/batch.js';
import { RcloneDaemon } from '#src/endpoints/rclone/daemon.js';
import { SshHost } from '#src/endpoints/rsync/host.js';
import { SmbSession } from '#src/endpoints/smb/session.js';
import { temporaryIn } from '#src/endpoints/temporary.js';
import { takeDescriptors } from '../support/descriptors.js';

const { signal } = new AbortController();

/** Runs while nothing more can be opened, and until what the process would be told of it has been. */
async function withNoneLeft(work: () => Promise<unknown>): Promise<unknown> {
  const give = takeDescriptors();
  try {
    return await work();
  } finally {
    give();
    await turn();
  }
}

t.test('programs that cannot be started for want of descriptors fail as targets do', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'procorefs-descriptors-'));
  t.teardown(() => rmSync(state, { recursive: true }));
  const session = new SmbSession(['//127.0.0.1/none'], '//127.0.0.1/none');
  const address = { login: 'nobody@127.0.0.1', port: '1', folder: '/none', keyFile: undefined, knownHosts: undefined };
  const host = await SshHost.open(address, temporaryIn(state));
  const temporary = async (): Promise<string> => mkdtempSync(join(state, 'rclone-'));
  for (const work of [
    () => session.run('ls', '', signal),
    () => host.rsync(['--list-only'], '', '', signal),
    () => RcloneDaemon.start({ configuration: '/dev/null', temporary }, signal),
  ])
    await t.rejects(withNoneLeft(work), { code: 'target-failed', details: { why: /EMFILE/ } });
  await t.rejects(session.run('ls', '', signal), { code: 'target-unreachable' }, 'the next one begins anew');
  await session.close();
  await withNoneLeft(() => host.close());
});

t.test('small files go the usual way where no thread can be started', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-batch-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'source'), 'content');
  const [directory, source] = [openSync(folder, 'r'), openSync(join(folder, 'source'), 'r')];
  t.teardown(() => [directory, source].map(closeSync));
  const batch = new BatchWriter();
  const write = (name: string) =>
    batch.write(
      { folder: directory, place: folder, part: `${name}.part`, name, source, size: 7, mtime: undefined, mode: 0o666 },
      () => undefined,
    );
  t.equal(await withNoneLeft(() => write('early')), undefined);
  t.notOk(existsSync(join(folder, 'early')));
  t.match(await write('late'), { size: 7 });
  const cut = write('cut');
  await batch.close();
  t.equal(await cut, undefined, 'what was not begun when it closes is not begun');
  await turn();
  t.notOk(existsSync(join(folder, 'cut')));
});
