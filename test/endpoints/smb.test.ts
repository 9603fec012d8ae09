import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Secret } from '#src/base/secret.js';
import { openTarget } from '#src/endpoints/open.js';
import { ServerFolder, serveSmb } from '../support/target-servers.js';
import { conformance, failsWith, signal } from './conformance.js';

t.test('an SMB share that is not mounted', async (t) => {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const server = await serveSmb(folder);
  t.teardown(() => server.kill());
  const definition = { platform: 'smb', uri: `//127.0.0.1:${server.port}/files`, username: 'root' };
  const options = { mayWrite: true, state: folder.at('local'), signal, password: new Secret('secret word') };
  const target = await openTarget(definition, options);
  t.teardown(() => target.close());
  t.test('wrong account, share or folder are told apart', async (t) => {
    const wrong = { ...options, password: new Secret('wrong') };
    await failsWith(t, 'target-login', () => openTarget(definition, wrong));
    await failsWith(t, 'target-missing', () => openTarget({ ...definition, uri: `${definition.uri}-none` }, options));
    await failsWith(t, 'target-missing', () => openTarget(definition, { ...options, path: 'none' }));
    const made = await openTarget(
      { ...definition, platform: 'nfs', uri: definition.uri.replaceAll('/', '\\') },
      { ...options, path: 'made/below', create: true },
    );
    t.ok((await made.test(signal)).writable);
    await made.close();
    await target.removeFolder('made/below', signal);
    await target.removeFolder('made', signal);
  });
  conformance(t, () => ({
    target,
    files: folder.files,
    peek: async (path) => readFileSync(join(folder.files, path)),
    vanish: () => server.kill(),
    comeBack: () => server.start(),
  }));
});
