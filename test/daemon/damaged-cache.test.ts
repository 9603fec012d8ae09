import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Daemon } from '../support/daemon.js';
import { until } from '../support/desktop.js';
import { mounted } from '../support/mounted.js';
import { atServer } from '../support/programs.js';

const MIB = 2 ** 20;
const sum = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

t.test('what was damaged on disk while nothing was mounted never reaches a reader, nor a new version', async (t) => {
  const words = ['-o', 'poll=3600,settle=0'];
  const project = await mounted(t, { items: 0, oddNames: 'no', spike: 1000 }, words);
  const { installation, simulator, source, mnt } = project;
  const daemon = new Daemon(project);
  // One that the kernel serves, one to be edited, one to be cut, and one that is too large to look at when it is opened.
  const sizes = { 'kernel.bin': 3 * MIB, 'edited.bin': 2 * MIB, 'cut.bin': MIB, 'large.bin': 40 * MIB };
  const content = new Map(
    Object.entries(sizes).map(([name, size]) => [name, `${name} `.repeat(size).slice(0, size)] as const),
  );
  for (const [path, text] of content) await simulator.admin.change({ op: 'create', path, content: text });
  await installation.crawled(mnt);
  await daemon.refresh();
  const right = async (name: string): Promise<void> => {
    t.equal(sum(await readFile(join(mnt, name))), sum(content.get(name)!), name);
  };
  for (const name of content.keys()) await right(name);
  const whole = [...content.values()].reduce((bytes, text) => bytes + text.length, 0);
  await until('all is on disk', async () => (await daemon.status()).cache.bytes >= whole);
  await installation.must(['umount', mnt]);

  const blobs = readdirSync(installation.state, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.includes('/blobs/'))
    .map((entry) => join(entry.parentPath, entry.name));
  t.equal(blobs.length, content.size);
  for (const path of blobs) {
    const { size } = statSync(path);
    if (size === sizes['cut.bin']) truncateSync(path, size / 2);
    else {
      const fd = openSync(path, 'r+');
      const byte = Buffer.alloc(1);
      readSync(fd, byte, 0, 1, size - 5000);
      byte[0]! ^= 0x10;
      writeSync(fd, byte, 0, 1, size - 5000);
      closeSync(fd);
    }
  }
  await installation.must(['mount', source, mnt, ...words]);
  await simulator.admin.reset();
  await appendFile(join(mnt, 'edited.bin'), 'and more');
  content.set('edited.bin', `${content.get('edited.bin')!}and more`);
  for (const name of content.keys()) await right(name);
  t.strictSame(await daemon.drain(), []);
  t.match((await atServer(project)).get('edited.bin'), { sha256: sum(content.get('edited.bin')!), versions: 2 });
  const { bytes } = (await simulator.admin.calls()).storage;
  t.ok(bytes <= sizes['cut.bin'] + 4 * 131_072, `${bytes} bytes were fetched again`);
  const said = installation.log().split('cached bytes are not what was written').length - 1;
  t.equal(said, 3, 'one line for each');
});
