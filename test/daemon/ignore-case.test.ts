import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';

const OPTIONS = 'settle=3600,delete_delay=0,poll=3600';
const NFC = 'caf\u00e9.txt';
const NFD = 'cafe\u0301.txt';

for (const driver of ['kernel', 'fuse-native'] as const)
  t.test(
    `${driver}: with -o ci every spelling is the same item, and names that differ in case are told apart`,
    async (t) => {
      const words = ['--driver', driver, '-o'];
      const settings = { items: 0, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;
      const { installation, simulator, source, mnt } = await mounted(t, settings, [...words, OPTIONS]);
      const { admin } = simulator;
      const at = (...names: string[]): string => join(mnt, ...names);
      const names = async (...folder: string[]): Promise<string[]> =>
        (await readdir(at(...folder))).filter((name) => name !== 'Schedules').sort();
      const paths = ['Plans/Ground.pdf', 'Readme.txt', 'README.TXT', NFC, NFD];
      for (const path of paths) await admin.change({ op: 'create', path, parents: true, content: path });
      await installation.must(['refresh', mnt]);
      await installation.must(['refresh', at('Plans')]);
      t.strictSame(await names(), [NFD, NFC, 'Plans', 'README.TXT', 'Readme.txt'].sort(), 'without it case counts');
      await t.rejects(readFile(at('PLANS', 'Ground.pdf')), { code: 'ENOENT' });
      await installation.must(['umount', mnt]);
      await installation.must(['mount', source, mnt, ...words, `ci,${OPTIONS}`]);
      const idOf = async (path: string): Promise<number> => (await admin.tree()).find((one) => one.path === path)!.id;
      const twin = `README (${await idOf('README.TXT')}).TXT`;
      const top = [NFD, NFC, 'Plans', 'Readme.txt', twin].sort();
      t.strictSame(await names(), top, 'the lowest id keeps the plain name');
      t.equal(await readFile(at('readme.TXT'), 'utf8'), 'Readme.txt');
      t.equal(await readFile(at(twin.toLowerCase()), 'utf8'), 'README.TXT');
      t.equal(await readFile(at(NFC.toUpperCase()), 'utf8'), NFC);
      t.equal(await readFile(at(NFD.toUpperCase()), 'utf8'), NFD);
      for (const folder of ['PLANS', 'Plans', 'plans', 'PLANS']) {
        t.strictSame(await names(folder), ['Ground.pdf'], folder);
        for (const name of ['GROUND.PDF', 'Ground.pdf', 'ground.pdf'])
          t.equal(await readFile(at(folder, name), 'utf8'), 'Plans/Ground.pdf', `${folder}/${name}`);
      }
      await t.rejects(writeFile(at('plans', 'GROUND.pdf'), 'x', { flag: 'wx' }), { code: 'EEXIST' });
      await t.rejects(mkdir(at('PLANS')), { code: 'EEXIST' });
      const shows = (path: string, content: string): Promise<void> =>
        until(async () => (await readFile(at(path), 'utf8').catch(() => '')) === content);
      const lists = (folder: string, wanted: readonly string[]): Promise<void> =>
        until(async () => JSON.stringify(await names(folder)) === JSON.stringify([...wanted].sort()));
      await writeFile(at('PLANS', 'ground.pdf'), 'written');
      await shows('Plans/Ground.pdf', 'written');
      await writeFile(at('Plans', 'Ground.pdf'), 'again');
      await shows('PLANS/GROUND.PDF', 'again');

      await rename(at('Plans', 'Ground.pdf'), at('Plans', 'GROUND.pdf'));
      await lists('Plans', ['GROUND.pdf']);
      await rename(at('Plans'), at('PLANS'));
      await lists(
        '',
        top.map((name) => (name === 'Plans' ? 'PLANS' : name)),
      );
      await writeFile(at('new.txt'), 'new');
      await rename(at('new.txt'), at('readme.TXT'));
      await shows('Readme.txt', 'new');
      await writeFile(at('plans', 'Gone.txt'), 'x');
      await lists('PLANS', ['GROUND.pdf', 'Gone.txt']);
      await rm(at('pLANS', 'GONE.TXT'));
      await lists('PLANS', ['GROUND.pdf']);
      await until(() =>
        readFile(at('PLANS', 'Gone.txt')).then(
          () => false,
          () => true,
        ),
      );
      await mkdir(at('plans', 'Folder'));
      await rm(at('PLANS', 'FOLDER'), { recursive: true });
      await lists('PLANS', ['GROUND.pdf']);
      await rename(at('plans', 'ground.pdf'), at('plans', 'First floor.pdf'));
      await lists('PLANS', ['First floor.pdf']);
      await installation.must(['drain', mnt, '--timeout', '240']);
      const tree = new Map((await admin.tree()).map((one) => [one.path, one]));
      t.strictSame(
        [...tree.keys()].filter((path) => path !== 'Schedules').sort(),
        ['PLANS', 'PLANS/First floor.pdf', 'Readme.txt', 'README.TXT', NFC, NFD].sort(),
      );
      t.equal(tree.get('PLANS/First floor.pdf')?.versions, 2, 'it is the same document');
      t.equal(tree.get('Readme.txt')?.versions, 2, 'so is what was replaced under another spelling');

      await admin.change({ op: 'create', path: 'PLANS/FIRST FLOOR.PDF', content: 'a twin' });
      await installation.must(['refresh', at('PLANS')]);
      const late = `FIRST FLOOR (${await idOf('PLANS/FIRST FLOOR.PDF')}).PDF`;
      await lists('PLANS', ['First floor.pdf', late]);
      await shows('plans/first FLOOR.pdf', 'again');
      await installation.must(['umount', mnt]);
      await installation.must(['mount', source, mnt, ...words, OPTIONS]);
      await lists('plans', ['First floor.pdf', late]);
      await shows(`plans/${late}`, 'a twin');
      t.ok((await names()).includes(twin), 'names stay over a mount that does not ask for it');
    },
  );
