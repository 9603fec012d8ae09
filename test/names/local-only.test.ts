import t from 'tap';
import { builtInPatterns, classifyName, globPattern, matchName } from '#src/names/local-only.js';

const files: Readonly<Record<'local' | 'transfer-temporary' | 'published', readonly string[]>> = {
  local: [
    '.notes.txt.swp',
    '.notes.txt.swo',
    '.notes.txt.swx',
    '.swp',
    'notes.swp',
    '4913',
    '.notes.txt.un~',
    '.#notes.txt',
    '.notes.txt.kate-swp',
    '~$Report.docx',
    '~$port.docx',
    '.~lock.Report.odt#',
    'A-101.dwl',
    'A-101.dwl2',
    'site.laccdb',
    '.fuse_hidden0000002a00000001',
    '.nfs000000000012d687000000a1',
    '.smbdeleteAAAAbbbb',
    '.DS_Store',
    '._Report.docx',
    'Thumbs.db',
    'desktop.ini',
    '.directory',
    '.Trash-1000',
    '.Trash',
  ],
  'transfer-temporary': [
    '.Report.docx.a8Kd2Q',
    '.goutputstream-4KX2B1',
    'notes.txt.4KX2B1',
    'notes.txt.aXpLqZ',
    'sedAb3dE9',
    'tmpab12cd_9',
    'zi3Xa9Qk',
    'tmp_obj_aB3dE9',
    'index.lock',
    'notes.txt~',
    '#notes.txt#',
    'settings.json.vsctmp',
    'Main.java___jb_tmp___',
    '~WRD0001.tmp',
    '~WRL0001.tmp',
    '~wrf0001.tmp',
    '5C2F1A00',
    'Cedd4100',
    'ppt1A2B.tmp',
    'lu1a2b3c4d.tmp',
    'sav9F21.tmp',
    'A-101_1_1_1234.sv$',
    'drawings.zip.part',
    'drawings.zip.partial',
    'drawings.zip.crdownload',
    '.syncthing.Report.docx.tmp',
  ],
  published: [
    'Report.docx',
    'Übersicht.pdf',
    '.bashrc',
    '.gitignore',
    '.icon.svg',
    'intro.swf',
    '20240115',
    '12345678',
    '5036',
    'sediments',
    'zigzags',
    'tmp',
    'plan.backup',
    'config.sqlite',
    'A-101.REVISED',
    'yarn.lock',
    'a.tar.gz',
    'A-101.dwg',
    'A-101.bak',
    '.Trash-can',
    'Trash-1000',
    '~notes.txt',
    '#1 Plans',
    'temp.pdf',
    'partial.pdf',
    'my.nfs',
    'Lock.odt#',
  ],
};
for (const [expected, names] of Object.entries(files))
  t.test(`files that are ${expected}`, async (t) => {
    for (const name of names) t.equal(classifyName(name), expected, name);
  });

t.test('folders have their own', async (t) => {
  for (const name of ['.Trash-1000', '.Trash', '.thumbnails', '$RECYCLE.BIN', '.Spotlight-V100'])
    t.equal(classifyName(name, [], 'folder'), 'local', name);
  for (const name of ['.~tmp~', '.rsync-partial'])
    t.equal(classifyName(name, [], 'folder'), 'transfer-temporary', name);
  for (const name of ['4913', 'Photos.part', 'site.tmp', 'old~', '.git', '01 Drawings'])
    t.equal(classifyName(name, [], 'folder'), 'published', name);
});

t.test('each row is needed', async (t) => {
  const examples = [...files.local, ...files['transfer-temporary']];
  for (const row of builtInPatterns)
    if (row.of !== 'folder')
      t.ok(
        examples.some((name) => row.pattern.test(name)),
        `${row.by}: ${row.pattern}`,
      );
});

t.test('patterns can be added, and local goes first', async (t) => {
  const extra = [
    globPattern('*.bak', 'transfer-temporary'),
    globPattern('draft (?).*', 'local'),
    globPattern('q*', 'local'),
  ];
  t.equal(classifyName('A-101.bak', extra), 'transfer-temporary');
  t.equal(classifyName('A-101.bakery', extra), 'published');
  t.equal(classifyName('draft (1).txt', extra), 'local');
  t.equal(classifyName('draft (12).txt', extra), 'published');
  t.equal(classifyName('q.tmp', extra), 'local');
  t.equal(matchName('q.tmp')?.by, 'Office, LibreOffice, AutoCAD and others');
  for (const glob of ['', '*', '**', 'a/b']) t.throws(() => globPattern(glob, 'local'), { code: 'usage' });
});

t.test('names made to hold up a pattern do not', (t) => {
  const started = process.cpuUsage();
  const { pattern } = globPattern('*a*a*a*a*a*a*a*a*a*a*b', 'local');
  for (let n = 0; n < 100; n++) t.notOk(pattern.test('a'.repeat(255)));
  t.ok(pattern.test(`${'a'.repeat(200)}b`));
  t.ok(process.cpuUsage(started).user < 1_000_000, 'a regular expression would take for ever');
  t.throws(() => globPattern('a'.repeat(1001), 'local'), { code: 'usage' });
  t.end();
});
