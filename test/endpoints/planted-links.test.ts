import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/endpoints/open.js';
import { TRASH } from '../support/detached-victim.js';
import { ServerFolder, serveSsh } from '../support/target-servers.js';
import { failsWith, signal } from './conformance.js';

const folder = new ServerFolder();
t.teardown(() => folder.remove());
const server = await serveSsh(folder);
t.teardown(() => server.kill());

const root = folder.files;
const trash = join(root, '.procorefs-trash');
const username = userInfo().username;
const options = { key_file: folder.at('client'), known_hosts_file: folder.at('known_hosts') };
const open = (platform: string) =>
  openTarget(
    platform === 'sftp'
      ? { platform, username, uri: `127.0.0.1:${server.port}${root}`, options }
      : { platform, uri: `${username}@127.0.0.1:${root}`, options: { ...options, port: String(server.port) } },
    { mayWrite: true, state: folder.at('local'), signal },
  );

for (const platform of ['sftp', 'rsync']) {
  t.test(`${platform}: a link in place of a note in the trash leads nothing to where it points`, async (t) => {
    const target = await open(platform);
    t.teardown(() => target.close());
    for (const [job, link] of [
      ['a', symlinkSync],
      ['b', linkSync],
    ] as const) {
      const other = folder.at(`other ${platform} ${job}`);
      mkdirSync(trash, { recursive: true });
      writeFileSync(other, 'somebody wrote this');
      writeFileSync(join(root, 'file'), 'seen');
      link(other, join(trash, `2026-01-31.keep-30.${job}.json`));
      await target.discard((await target.stat('file', signal))!, { trash: { ...TRASH, job }, signal });
      t.equal(readFileSync(other, 'utf8'), 'somebody wrote this', link.name);
      const kept = job === 'a' ? 'file' : 'file (2)';
      t.equal(readFileSync(join(trash, '2026-01-31', kept), 'utf8'), 'seen');
      t.strictSame(readdirSync(root), ['.procorefs-trash']);
    }
    writeFileSync(join(root, 'file'), 'seen');
    const none = folder.at(`none ${platform}`);
    symlinkSync(none, join(trash, '2026-01-31.keep-30.c.json'));
    const seen = (await target.stat('file', signal))!;
    const discard = () => target.discard(seen, { trash: { ...TRASH, job: 'c' }, signal });
    // Such a link is one that SFTP neither shows nor replaces.
    if (platform === 'sftp') {
      await failsWith(t, 'target-failed', discard);
      t.strictSame(readdirSync(root), ['.procorefs-trash', 'file']);
      rmSync(join(root, 'file'));
    } else await discard();
    t.equal(existsSync(none), false, 'nor is made what it points to');
    t.strictSame(readdirSync(root), ['.procorefs-trash']);
    rmSync(trash, { recursive: true });
  });

  t.test(`${platform}: a link in place of the trash leads nothing to where it points`, async (t) => {
    const target = await open(platform);
    t.teardown(() => target.close());
    const elsewhere = folder.at(`elsewhere ${platform}`);
    mkdirSync(elsewhere);
    writeFileSync(join(root, 'file'), 'seen');
    symlinkSync(elsewhere, trash);
    const seen = (await target.stat('file', signal))!;
    await failsWith(t, 'target-outside', () => target.discard(seen, { trash: TRASH, signal }));
    t.strictSame(readdirSync(elsewhere), []);
    t.equal(readFileSync(join(root, 'file'), 'utf8'), 'seen');
    rmSync(trash);
  });
}
