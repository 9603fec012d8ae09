import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Daemon } from '../support/daemon.js';
import { mounted } from '../support/mounted.js';

t.test('who has a file open of a daemon that was killed does not write into what is saved since', async (t) => {
  const options = ['-o', 'settle=3600,poll=3600'];
  const scene = await mounted(t, { items: 0, oddNames: 'no' }, options);
  const { installation, simulator, source, mnt } = scene;
  await installation.crawled(mnt);
  const daemon = new Daemon(scene);
  const at = (name: string): string => join(mnt, name);
  const old = await open(at('saved.txt'), 'w');
  await old.write('begun');
  await old.sync();
  for (const when of ['the first kill', 'the second kill']) {
    await daemon.kill();
    await installation.must(['mount', source, mnt, ...options]);
    t.match(await daemon.uploads(), [{ path: 'saved.txt', reason: undefined, bytes: 5 }], when);
  }
  await writeFile(at('saved.txt'), 'saved since');
  // The kernel may let it pass; that nothing became of it, the program is told when it closes the file.
  await old.write(' and the rest of it').catch(() => undefined);
  await t.rejects(old.close());
  t.equal(await readFile(at('saved.txt'), 'utf8'), 'saved since');
  t.strictSame(await daemon.drain(30), []);
  const [file] = (await simulator.admin.tree()).filter(({ path }) => path === 'saved.txt');
  t.equal(file?.size, 'saved since'.length);
});
