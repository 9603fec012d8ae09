import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/targets/open.js';
import { Staging } from '#src/targets/remote/staging.js';

const { signal } = new AbortController();

t.test('where nothing temporary can be made, that is what is said', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-temporary-'));
  const before = process.env.TMPDIR;
  const above = join(folder, 'none');
  process.env.TMPDIR = above;
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(folder, { recursive: true });
  });
  for (const [platform, uri] of [
    ['smb', '//127.0.0.1:1/none'],
    ['rsync', 'nobody@127.0.0.1:/none'],
  ] as const)
    await t.rejects(openTarget({ platform, uri }, { mayWrite: true, signal }), {
      code: 'target-failed',
      details: { path: above },
    });
  const staging = new Staging();
  await t.rejects(staging.folder(), { code: 'target-failed' });
  mkdirSync(above);
  t.match(await staging.folder(), above, 'later it can');
  await staging.close();
});
