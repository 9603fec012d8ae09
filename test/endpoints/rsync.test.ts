import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/endpoints/open.js';
import { ServerFolder, serveSsh } from '../support/target-servers.js';
import { conformance, failsWith, LINK, listed, readAll, signal, write } from './conformance.js';

t.test('a server by rsync over ssh', async (t) => {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const server = await serveSsh(folder);
  t.teardown(() => server.kill());
  const definition = {
    platform: 'rsync',
    uri: `${userInfo().username}@127.0.0.1:${folder.files}`,
    options: {
      port: String(server.port),
      key_file: folder.at('client'),
      known_hosts_file: folder.at('known_hosts'),
    },
  };
  const options = { mayWrite: true, state: folder.at('local'), signal };
  const target = await openTarget(definition, options);
  t.teardown(() => target.close());
  t.test('wrong key, host key or folder are told apart', async (t) => {
    const wrong = (more: Record<string, string>) => ({ ...definition, options: { ...definition.options, ...more } });
    await failsWith(t, 'target-login', () => openTarget(wrong({ key_file: folder.at('host') }), options));
    writeFileSync(folder.at('no_hosts'), '');
    await failsWith(t, 'target-login', () => openTarget(wrong({ known_hosts_file: folder.at('no_hosts') }), options));
    for (const file of ['/dev/null', 'none', '', folder.top, folder.at('absent')])
      await failsWith(t, 'host-unchecked', () => openTarget(wrong({ known_hosts_file: file }), options));
    await failsWith(t, 'target-missing', () => openTarget({ ...definition, uri: `${definition.uri}/none` }, options));
    const made = await openTarget(definition, { ...options, path: "ma'de/below", create: true });
    t.ok((await made.test(signal)).writable);
    await made.close();
    await target.removeFolder("ma'de/below", signal);
    await target.removeFolder("ma'de", signal);
  });
  t.test('links on the server are not followed', async (t) => {
    const outside = folder.at('outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'kept');
    symlinkSync(outside, join(folder.files, 'link'));
    t.match(await listed(target, ''), [{ name: 'link', folder: false, unusable: 'type' }]);
    await failsWith(t, 'target-outside', () => write(target, 'link/file', Buffer.from('x')));
    await failsWith(t, 'target-outside', () => readAll(target, 'link/file'));
    await failsWith(t, 'target-outside', () => target.discard({ ...LINK, path: 'link/file' }, { signal }));
    await failsWith(t, 'target-outside', () => target.mkdir('link/folder', signal));
    t.equal(readFileSync(join(outside, 'file'), 'utf8'), 'kept');
    await target.discard({ ...LINK, unusable: 'type' }, { signal });
  });
  conformance(t, () => ({
    target,
    files: folder.files,
    peek: async (path) => readFileSync(join(folder.files, path)),
    vanish: () => server.kill(),
    comeBack: () => server.start(),
  }));
});
