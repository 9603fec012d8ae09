import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { checkFolder, type NameFinding } from '#src/names/check-folder.js';
import { Installation } from '../support/mounted.js';

const root = mkdtempSync(join(tmpdir(), 'procorefs-check-'));
t.teardown(() => rmSync(root, { recursive: true, force: true }));
const deep = ['a'.repeat(120), 'b'.repeat(120)];
for (const folder of ['fine/sub', 'bad: folder', '.Trash-1000', '4913', deep.join('/')])
  mkdirSync(join(root, folder), { recursive: true });
const files = [
  'fine/ok.pdf',
  'fine/sub/"quoted".pdf',
  'fine/a .pdf',
  'fine/\u001b[31mred*.txt',
  'fine/x\uff0fy.txt',
  'bad: folder/inside.txt',
  '.Trash-1000/what?.txt',
  '.DS_Store',
  '~$a?.docx',
  `${deep.join('/')}/thirteen.txt`,
  `${deep.join('/')}/fourteen characters and more.txt`,
];
for (const file of files) writeFileSync(join(root, file), '');
writeFileSync(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9]), Buffer.from('.txt')]), '');
symlinkSync('fine', join(root, 'link'));

const expected: [path: string, rule: NameFinding['rule'], suggestion: string | undefined][] = [
  ['bad: folder', 'character', 'bad- folder'],
  ['caf\ufffd.txt', 'encoding', 'caf_.txt'],
  ['fine/a .pdf', 'space-before-extension', 'a.pdf'],
  ['fine/\u001b[31mred*.txt', 'character', '\u001b[31mred-.txt'],
  ['fine/x\uff0fy.txt', 'character', 'x-y.txt'],
  ['link', 'file-type', undefined],
  [`${deep.join('/')}/fourteen characters and more.txt`, 'path-length', 'fourteen.txt'],
];
const order = (a: readonly unknown[], b: readonly unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);

t.test('each name that Procore would refuse is found, with its rule and a suggestion', async (t) => {
  const check = checkFolder(root, 'procore');
  const found: NameFinding[] = [];
  for await (const finding of check.findings()) found.push(finding);
  t.strictSame(
    found.map(({ path, rule, suggestion }) => [path, rule, suggestion]).sort(order),
    [...expected].sort(order),
  );
  t.equal(check.checked, files.length - 3 + 8, 'what stays local is not looked at');
});

t.test('for Linux only what Linux cannot hold is found', async (t) => {
  const found: NameFinding[] = [];
  for await (const finding of checkFolder(root, 'linux').findings()) found.push(finding);
  t.strictSame(found.map(({ rule }) => rule).sort(), ['encoding', 'file-type']);
});

t.test('a folder that is not there is a failure', async (t) => {
  await t.rejects(checkFolder(join(root, 'nowhere'), 'procore').findings().next(), { code: 'folder-unreadable' });
});

t.test('the command prints one safe line for each, as JSON on request, and ends with 1', async (t) => {
  const installation = new Installation(t);
  const text = await installation.procorefs(['check', root]);
  t.equal(text.code, 1);
  const lines = text.stdout.trimEnd().split('\n');
  t.equal(lines.length, expected.length + 1);
  t.match(lines.at(-1), /^7 names of \d+ would be refused$/);
  t.ok(lines.some((line) => /^fine\/a \.pdf: Procore takes no white space.*; try "a\.pdf"$/.test(line)));
  t.notMatch(text.stdout, /\u001b/);
  const json = await installation.procorefs(['check', root, '--json', '--for', 'procore']);
  t.equal(json.code, 1);
  t.equal(JSON.parse(json.stdout).refused.length, expected.length);

  const good = await installation.procorefs(['check', join(root, 'fine', 'sub')]);
  t.match(good, { code: 0, stdout: '0 names of 1 would be refused\n' });
  t.strictSame(JSON.parse(await installation.must(['check', join(root, 'fine', 'sub'), '--json'])), {
    refused: [],
    checked: 1,
  });
  t.match(await installation.procorefs(['check', root, '--for', 'dos']), { code: 2, stderr: /procore, linux/ });
  t.match(await installation.procorefs(['check', join(root, 'nowhere')]), { code: 1, stderr: /cannot be read/ });
});
