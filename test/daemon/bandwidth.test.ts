import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Daemon } from '../support/daemon.js';
import { mounted } from '../support/mounted.js';
import { atServer } from '../support/programs.js';

const KIB = 1024;
/** Bytes at once; the first may pass at any time. */
const PIECE = 64 * KIB;

t.test('downloads and uploads of a mount keep to the bandwidth that is said', async (t) => {
  const project = await mounted(t, { items: 0, oddNames: 'no' }, ['-o', 'poll=3600,settle=0,bandwidth=1M:2M']);
  const { simulator, installation, mnt } = project;
  const daemon = new Daemon(project);
  const content = 'x'.repeat(2048 * KIB);
  await simulator.admin.change({ op: 'create', path: 'down.bin', content });
  await installation.crawled(mnt);
  await daemon.refresh();
  const seconds = async (work: () => Promise<unknown>): Promise<number> => {
    const began = performance.now();
    await work();
    return (performance.now() - began) / 1000;
  };
  const least = (rate: number): number => (content.length - 2 * PIECE) / rate;
  const down = await seconds(async () => t.equal(await readFile(join(mnt, 'down.bin'), 'utf8'), content));
  t.ok(down >= least(2048 * KIB), `${down} s`);
  const again = await seconds(() => readFile(join(mnt, 'down.bin')));
  t.ok(again < down, 'what is cached needs no line');
  await writeFile(join(mnt, 'up.bin'), content);
  const up = await seconds(async () => t.strictSame(await daemon.drain(), []));
  t.ok(up >= least(1024 * KIB), `${up} s`);
  t.match((await atServer(project)).get('up.bin'), { size: content.length });
});
