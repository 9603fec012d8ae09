import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { mounted } from '../support/mounted.js';

const QUICK = 'settle=3600,delete_delay=0,poll=3600';
const settings = { items: 0, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;
const FORBIDDEN = '<>:\\|?*';
const NBSP = '\u00a0';

const refused = [
  ...[...FORBIDDEN].flatMap((character) => [`${character}a.pdf`, `a${character}b.pdf`, `a.pdf${character}`, character]),
  'a .pdf',
  'a\t.pdf',
  `a${NBSP}.pdf`,
  'a.tar .gz',
  'a.pdf ',
  'a.pdf\t',
  `a.pdf${NBSP}`,
  // Full-width twins: what is shown is not what is sent.
  'a\uff0fb.pdf',
];
const accepted = [
  ...Array.from({ length: 0x7f - 0x20 }, (_, n) => String.fromCharCode(0x20 + n))
    .filter((character) => !`/${FORBIDDEN}`.includes(character))
    .map((character) => `a${character}b`),
  'say "yes".pdf',
  'a .tar.gz',
  'no extension',
  'README',
  '.bashrc',
  'a.',
  '\u201b\uff0fb.pdf',
  'a\uff1ab.pdf',
  'a\uff0ab.pdf',
  'a\uff1fb.pdf',
];

for (const driver of ['kernel', 'fuse-native'] as const)
  t.test(
    `${driver}: what Procore's rules forbid is refused at create, mkdir and rename; all else is taken`,
    async (t) => {
      const { installation, simulator, mnt } = await mounted(t, settings, ['--driver', driver, '-o', QUICK]);
      t.equal((await installation.crawled(mnt)).driver, driver);
      const at = (name: string): string => join(mnt, name);
      await writeFile(at('file'), 'x');
      await mkdir(at('folder'));
      for (const name of refused) {
        await t.rejects(writeFile(at(name), 'x'), { code: 'EINVAL' }, `create ${JSON.stringify(name)}`);
        await t.rejects(mkdir(at(name)), { code: 'EINVAL' }, `mkdir ${JSON.stringify(name)}`);
        await t.rejects(rename(at('file'), at(name)), { code: 'EINVAL' }, `rename to ${JSON.stringify(name)}`);
        await t.rejects(
          rename(at('folder'), at(name)),
          { code: 'EINVAL' },
          `rename a folder to ${JSON.stringify(name)}`,
        );
      }
      t.strictSame(
        (await readdir(mnt)).filter((name) => name !== 'Schedules').sort(),
        ['file', 'folder'],
        'nothing is left',
      );
      let last = 'file';
      await mkdir(at('folders'));
      for (const name of accepted) {
        await writeFile(at(`folder/${name}`), 'x');
        await mkdir(at(`folders/${name}`));
        await rename(at(last), at(name));
        last = name;
      }
      await installation.must(['drain', mnt, '--timeout', '240']);
      const tree = await simulator.admin.tree();
      const names = (folder: string): string[] =>
        tree.filter(({ path }) => path.startsWith(`${folder}/`)).map(({ path }) => path.slice(folder.length + 1));
      const wanted = accepted.map((name) => name.replace('\u201b', '')).sort();
      t.strictSame(names('folder').sort(), wanted, 'each file is at the server');
      t.strictSame(names('folders').sort(), wanted, 'and each folder');
    },
  );

t.test('a folder is judged by the longest path below it, whether the server knows it yet or not', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, settings, ['-o', `${QUICK},delete_delay=3600`]);
  const at = (...names: string[]): string => join(mnt, ...names);
  const long = `${'y'.repeat(200)}.pdf`;
  await simulator.admin.change({ op: 'create', path: `remote/inner/${long}`, parents: true, content: 'x' });
  await installation.must(['refresh', mnt]);
  await installation.must(['refresh', at('remote')]);
  await installation.must(['refresh', at('remote', 'inner')]);
  await mkdir(at('new', 'inner'), { recursive: true });
  await writeFile(at('new', 'inner', long), 'x');
  await simulator.admin.change({ op: 'create', path: 'mixed/', content: '' });
  await installation.must(['refresh', mnt]);
  await writeFile(at('mixed', `${long}.txt`), 'x');
  await mkdir(at('deep'));
  for (const name of ['remote', 'new', 'mixed']) {
    await t.rejects(rename(at(name), at('z'.repeat(60))), { code: 'ENAMETOOLONG' }, name);
    await t.rejects(rename(at(name), at('deep', 'z'.repeat(50))), { code: 'ENAMETOOLONG' }, `${name} moved`);
    await rename(at(name), at(`${name} fits`));
  }
  await installation.must(['drain', mnt, '--timeout', '240']);
  // Nothing of this has gone up when the folder is renamed.
  await rename(at('remote fits', 'inner', long), at('remote fits', 'short.pdf'));
  await rename(at('remote fits'), at('z'.repeat(60)));
  await rename(at('new fits', 'inner'), at('inner away'));
  await t.rejects(rename(at('inner away'), at('new fits', 'z'.repeat(60))), { code: 'ENAMETOOLONG' }, 'moved back');
  await rename(at('new fits'), at('y'.repeat(60)));
  await rm(at('mixed fits', `${long}.txt`));
  await rename(at('mixed fits'), at('x'.repeat(60)));
  await installation.must(['drain', mnt, '--timeout', '240']);
  const paths = (await simulator.admin.tree()).map(({ path }) => path);
  t.ok(paths.includes(`${'z'.repeat(60)}/short.pdf`), 'what was moved out of it does not count');
  t.ok(paths.includes('y'.repeat(60)) && paths.includes(`inner away/${long}`), 'nor does a folder that was');
  t.ok(paths.includes('x'.repeat(60)), 'nor does what was deleted');
});

t.test('what breaks a rule already stays readable, writable, and can be moved to a valid name', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, settings, ['-o', QUICK]);
  const { admin } = simulator;
  const at = (...names: string[]): string => join(mnt, ...names);
  const made = ['plan: old.txt', 'by rename: old.txt', 'anew: old.txt', 'folder: old/'];
  for (const path of made) await admin.change({ op: 'create', path, content: path });
  await mkdir(at('target'));
  await installation.must(['refresh', mnt]);
  const ids = new Map((await admin.tree()).map(({ path, id }) => [path, id]));
  t.equal(await readFile(at('plan: old.txt'), 'utf8'), 'plan: old.txt');
  await writeFile(at('plan: old.txt'), 'written');
  await writeFile(at('folder: old', 'inner.txt'), 'inner');
  // As sed -i and rsync save, and as editors do that move the old file away.
  await writeFile(at('.by rename.txt.AbC123'), 'saved');
  await rename(at('.by rename.txt.AbC123'), at('by rename: old.txt'));
  await rename(at('anew: old.txt'), at('anew: old.txt~'));
  await writeFile(at('anew: old.txt'), 'saved anew');
  await rm(at('anew: old.txt~'));
  await t.rejects(rename(at('plan: old.txt'), at('plan: new.txt')), { code: 'EINVAL' }, 'not to another bad name');
  await installation.must(['drain', mnt, '--timeout', '240']);
  const tree = new Map((await admin.tree()).map((entry) => [entry.path, entry]));
  for (const path of made.slice(0, 3)) t.match(tree.get(path), { id: ids.get(path)!, versions: 2 }, path);
  t.ok(tree.has('folder: old/inner.txt'));
  await rename(at('plan: old.txt'), at('target', 'plan: old.txt'));
  await rename(at('target', 'plan: old.txt'), at('target', 'plan.txt'));
  await rename(at('folder: old'), at('folder'));
  await installation.must(['drain', mnt, '--timeout', '240']);
  const after = new Map((await admin.tree()).map(({ path, id }) => [path, id]));
  t.equal(after.get('target/plan.txt'), ids.get('plan: old.txt'));
  t.equal(after.get('folder'), ids.get('folder: old'));
});

t.test('local and temporary names are exempt until they are to be published', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, settings, ['-o', QUICK]);
  const at = (name: string): string => join(mnt, name);
  const lines = async (): Promise<UploadLine[]> =>
    JSON.parse(await installation.must(['uploads', mnt, '--json'])) as UploadLine[];
  for (const name of ['.a:b.txt.swp', '~$a:b.docx']) await writeFile(at(name), 'local');
  await writeFile(at('a:b.tmp'), 'temporary');
  await t.rejects(rename(at('a:b.tmp'), at('a:b.txt')), { code: 'EINVAL' });
  await rename(at('a:b.tmp'), at('c:d.tmp'));
  t.equal((await installation.procorefs(['drain', mnt, '--timeout', '240'])).code, 1);
  t.match(
    (await lines()).filter(({ state }) => state !== 'local'),
    [{ path: 'c:d.tmp', state: 'failed', reason: /takes no : in a name/ }],
    'visible, with the rule',
  );
  t.equal((await lines()).filter(({ state }) => state === 'local').length, 2);
  const file = await open(at('c:d.tmp'), 'r');
  await rename(at('c:d.tmp'), at('good.txt'));
  t.equal((await file.readFile('utf8')).toString(), 'temporary');
  await file.close();
  await installation.must(['drain', mnt, '--timeout', '240']);
  t.strictSame(
    (await simulator.admin.tree()).map(({ path }) => path).filter((path) => path !== 'Schedules'),
    ['good.txt'],
  );
});
