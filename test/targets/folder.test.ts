import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/targets/open.js';
import type { Target } from '#src/targets/target.js';
import { conformance, signal } from './conformance.js';

const top = mkdtempSync(join(tmpdir(), 'procorefs-folder-'));
t.teardown(() => rmSync(top, { recursive: true, force: true }));

t.test('a folder of this machine', async (t) => {
  const root = join(top, 'conformance');
  mkdirSync(root);
  let target: Target;
  t.before(async () => {
    target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  });
  t.teardown(() => target.close());
  conformance(t, () => ({ target, peek: async (path) => readFileSync(join(root, path)) }));
});
