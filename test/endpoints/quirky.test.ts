import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { RemoteTarget } from '#src/endpoints/remote/remote-target.js';
import { StorageStaging } from '#src/endpoints/remote/staging.js';
import { QUIRKS, Quirky } from '../support/quirky-targets.js';
import { conformance } from './conformance.js';

const top = mkdtempSync(join(tmpdir(), 'procorefs-quirky-'));
t.teardown(() => rmSync(top, { recursive: true, force: true }));

for (const quirks of QUIRKS)
  t.test(`a target with ${quirks.title}`, async (t) => {
    const root = join(top, quirks.title);
    mkdirSync(root);
    const storage = new Quirky(root, quirks);
    const target = new RemoteTarget(storage, new StorageStaging(join(top, 'staging'), 'quirky'));
    t.teardown(() => target.close());
    conformance(t, () => ({
      target,
      files: root,
      peek: (path) => storage.peek(path),
      kept: (name) => storage.kept(name),
      isListed: (name) => storage.isListed(name),
      settle: () => storage.settle(),
    }));
  });
