import t from 'tap';
import * as judge from '#src/names/judge.js';
import { linuxNames } from '#src/names/linux.js';
import { platformNames, platforms } from '#src/names/platforms.js';
import {
  judgeProcoreName,
  judgeProcorePath,
  LONGEST_PATH,
  pathLength,
  suggestProcoreName,
} from '#src/names/procore.js';
import fc from '../support/properties.js';

const FORBIDDEN = '/<>:\\|?*';
const NBSP = '\u00a0';

t.test('each forbidden character is refused, wherever it stands, with a line that names it', async (t) => {
  for (const character of FORBIDDEN)
    for (const name of [`${character}a.pdf`, `a${character}b.pdf`, `a.pdf${character}`, character]) {
      const refusal = judgeProcoreName(name);
      t.match(refusal, { rule: 'character', errno: 'EINVAL' }, name);
      t.ok(refusal?.words.includes(` ${character} in a name`), `${refusal?.words}`);
      t.notMatch(refusal?.words, /[\n\t]/);
    }
});

t.test('every other printable ASCII character is accepted', async (t) => {
  for (let code = 0x20; code < 0x7f; code++) {
    const character = String.fromCharCode(code);
    if (FORBIDDEN.includes(character)) continue;
    t.equal(judgeProcoreName(`a${character}b.pdf`), undefined, `a${character}b.pdf`);
  }
  t.equal(judgeProcoreName('say "yes".pdf'), undefined);
});

const table: readonly [name: string, rule: string | undefined][] = [
  ['a .pdf', 'space-before-extension'],
  ['a\t.pdf', 'space-before-extension'],
  [`a${NBSP}.pdf`, 'space-before-extension'],
  ['a\u3000.pdf', 'space-before-extension'],
  ['a\u0085.pdf', 'space-before-extension'],
  ['a.tar .gz', 'space-before-extension'],
  ['a  .pdf', 'space-before-extension'],
  [' .bashrc', 'space-before-extension'],
  ['a.pdf ', 'space-after-extension'],
  ['a.pdf\t', 'space-after-extension'],
  ['a.pdf\n', 'space-after-extension'],
  [`a.pdf${NBSP}`, 'space-after-extension'],
  ['a.tar.gz  ', 'space-after-extension'],
  ['Phase 1.2 Drawings ', 'space-after-extension'],
  ['a .tar.gz', undefined],
  ['a. pdf', undefined],
  ['a b.pdf', undefined],
  [' a.pdf', undefined],
  ['README', undefined],
  ['README ', undefined],
  ['no extension', undefined],
  ['01 Drawings', undefined],
  ['.bashrc', undefined],
  ['.bashrc ', undefined],
  ['a.', undefined],
  ['a .', undefined],
  ['a\u200b.pdf', undefined],
  ['Übersicht – größe.pdf', undefined],
  ['図面.pdf', undefined],
  ['x'.repeat(300), undefined],
  // Full-width twins: what is shown is not what is sent.
  ['a\uff0fb.pdf', 'character'],
  ['\u201b\uff0fb.pdf', undefined],
  ['a\uff1ab.pdf', undefined],
  ['a\uff0ab.pdf', undefined],
  ['a\uff1fb.pdf', undefined],
];
for (const [name, rule] of table)
  t.test(`${JSON.stringify(name)}: ${rule ?? 'accepted'}`, async (t) => {
    t.equal(judgeProcoreName(name)?.rule, rule);
    if (rule) t.equal(judgeProcoreName(name)?.errno, 'EINVAL');
  });

t.test('a path may have 255 characters from the root, however many bytes they are', async (t) => {
  const folder = 'é'.repeat(100);
  const path = (length: number) => `${folder}/${folder}/${'😀'.repeat(length - 202)}`;
  t.equal(judgeProcorePath(path(LONGEST_PATH)), undefined);
  t.match(judgeProcorePath(path(LONGEST_PATH + 1)), { rule: 'path-length', errno: 'ENAMETOOLONG', words: /255.*256/ });
  t.equal(pathLength(path(256)), 256);
  t.equal(judgeProcorePath(`${'a'.repeat(254)}\u201b\uff0f`), undefined, 'a quote is not sent');
  t.equal(judgeProcorePath(`${'a'.repeat(255)}\u201b\uff0f`)?.errno, 'ENAMETOOLONG');
});

t.test('a suggestion is near, valid, and within the room that is left', async (t) => {
  t.equal(suggestProcoreName('a: b?.pdf'), 'a- b-.pdf');
  t.equal(suggestProcoreName('a .pdf '), 'a.pdf');
  t.equal(suggestProcoreName('a .\t'), 'a.');
  t.equal(suggestProcoreName('plan.pdf'), 'plan.pdf');
  t.equal(suggestProcoreName('a very long name.pdf', 10), 'a very.pdf');
  const part = fc.constantFrom(
    ...FORBIDDEN,
    '.',
    ' ',
    '\t',
    NBSP,
    'a',
    'é',
    '😀',
    '\u201b',
    '\uff0f',
    '.pdf',
    '\uff0e',
    '\0',
  );
  const name = fc.oneof(
    fc.array(part, { minLength: 1, maxLength: 9 }).map((parts) => parts.join('')),
    fc.string(),
  );
  fc.assert(
    fc.property(name, (shown) => {
      const suggestion = suggestProcoreName(shown);
      const unchanged = linuxNames.decode(suggestion) === linuxNames.decode(shown);
      return judgeProcoreName(suggestion) === undefined && unchanged === (judgeProcoreName(shown) === undefined);
    }),
    { numRuns: 5000 },
  );
  fc.assert(
    fc.property(name, fc.integer({ min: 8, max: 20 }), (shown, most) => {
      const suggestion = suggestProcoreName(shown, most);
      return judgeProcoreName(suggestion) === undefined && pathLength(suggestion) <= most;
    }),
    { numRuns: 5000 },
  );
});

t.test('every platform is judged by the same rows', async (t) => {
  t.ok(platformNames.length >= 2);
  const { linux } = platforms;
  t.equal(judge.judgeName(linux, 'a:b?.pdf'), undefined);
  t.equal(judge.judgeName(linux, 'a/b')?.rule, 'character');
  t.equal(judge.judgeName(linux, '..')?.rule, 'reserved-name');
  t.match(judge.judgeName(linux, 'é'.repeat(128)), { rule: 'name-length', errno: 'ENAMETOOLONG' });
  t.equal(judge.judgeName(linux, 'é'.repeat(127)), undefined);
  for (const platform of Object.values(platforms))
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (name) => {
        const suggestion = judge.suggestName(platform, name);
        if (judge.judgeName(platform, name) === undefined && suggestion !== name) return false;
        return judge.judgeName(platform, suggestion) === undefined;
      }),
    );
});
