import t from 'tap';
import { isFailure } from '#src/base/errors.js';
import { rulesOf } from '#src/endpoints/rules.js';
import type { TargetRules } from '#src/endpoints/target.js';
import { decodedName, FolderNames, type NamedItem, type NamingOptions } from '#src/jobs/naming.js';
import { judgeName, judgePath } from '#src/names/judge.js';
import { type PlatformName, platformNames } from '#src/names/platforms.js';
import fc from '../support/properties.js';

const all = { transform: true, encode: false, truncate: true, duplicates: 'rename' } as const;
const namesOf = (
  platform: PlatformName,
  options: Partial<NamingOptions> = {},
  { parent = '', taken = [] as string[], found = {} as Partial<TargetRules> } = {},
): FolderNames => new FolderNames({ ...all, ...options, rules: rulesOf(platform, found) }, parent, taken);

/** The names that files get, in order; `!` for those that are refused. */
const place = (names: FolderNames, ...given: string[]): string[] =>
  given.map((name) => {
    try {
      return names.place(name, false).name;
    } catch (error) {
      if (isFailure(error, 'item-name-refused')) return '!';
      throw error;
    }
  });

t.test('a name that the destination takes stays, and nothing is said about it', async (t) => {
  t.strictSame(namesOf('smb').place('A-101 Plan.pdf', false), { name: 'A-101 Plan.pdf' });
});

t.test('what is forbidden is replaced, with the reason', async (t) => {
  const names = namesOf('smb');
  t.strictSame(names.place('a:b?.pdf', false), {
    name: 'a-b-.pdf',
    changed: 'a Windows share takes no : in a name (none of / \\ < > : " | ? *, nor control characters)',
  });
  t.strictSame(place(names, 'CON', 'aux .', 'etc. . ', '...', '', '\ud800x'), [
    '_CON',
    '_aux',
    'etc',
    '_',
    '_ (1)',
    '-x',
  ]);
  t.strictSame(place(namesOf('procore'), 'a\t.pdf', 'b.pdf '), ['a.pdf', 'b.pdf']);
});

t.test('without being asked to change names, those that break rules are refused', async (t) => {
  const names = namesOf('procore', { transform: false, truncate: false });
  t.strictSame(place(names, 'ok.pdf', 'a:b', 'a .pdf', 'x'.repeat(256), '\udc00'), ['ok.pdf', '!', '!', '!', '!']);
  t.throws(() => namesOf('procore', { transform: false }, { parent: 'Top' }).place('a:b', false), {
    code: 'item-name-refused',
    details: { path: 'Top/a:b', platform: 'Procore', why: /takes no :/ },
  });
});

t.test('an encoded name tells what it was', async (t) => {
  const names = namesOf('smb', { encode: true });
  const placed = names.place('A/B:CON.', false);
  t.equal(decodedName(rulesOf('smb'), placed.name), 'A/B:CON.');
  t.match(placed.changed, /takes no \//);
  t.match(names.place('a\uff1ab', false), { changed: 'it looks like an encoded name' });
});

t.test('twins are numbered before the extension, in order, and told apart from those taken', async (t) => {
  const names = namesOf('smb', {}, { taken: ['PLAN.pdf', 'plan (1).pdf'] });
  t.strictSame(names.place('Plan.pdf', false), { name: 'Plan (2).pdf', changed: '"PLAN.pdf" is the same name there' });
  t.strictSame(place(names, 'plan.PDF', 'a:b', 'a?b', 'A-B', 'Cafe\u0301', 'CAF\u00c9'), [
    'plan (3).PDF',
    'a-b',
    'a-b (1)',
    'A-B (2)',
    'Cafe\u0301',
    'CAF\u00c9 (1)',
  ]);
  t.equal(names.place('v1.2', true).name, 'v1.2');
  t.equal(names.place('V1.2', true).name, 'V1.2 (1)', 'a folder has no extension');
  t.strictSame(place(namesOf('linux'), 'a', 'A', 'Cafe\u0301', 'Caf\u00e9'), ['a', 'A', 'Cafe\u0301', 'Caf\u00e9']);
});

t.test('or they are flagged, and the first one stays', async (t) => {
  const names = namesOf('smb', { duplicates: 'warn' });
  t.strictSame(place(names, 'a.txt', 'A.txt', 'b.txt', 'a.txt'), ['a.txt', '!', 'b.txt', '!']);
});

t.test('a name that is refused takes nothing', async (t) => {
  const names = namesOf('smb', { transform: false }, { found: { restrictedTypes: ['.exe'] } });
  t.strictSame(place(names, 'a.EXE', 'A.exe', 'a.txt'), ['!', '!', 'a.txt']);
  t.equal(names.place('a.exe', true).name, 'a.exe', 'folders may be called so');
});

t.test('a long name loses of its stem, never of its extension, nor half a character', async (t) => {
  const [first] = place(namesOf('linux'), `${'é'.repeat(200)}.pdf`);
  t.equal(first, `${'é'.repeat(125)}.pdf`);
  const family = '👨‍👩‍👧‍👦';
  const [second] = place(namesOf('linux'), `${family.repeat(20)}.pdf`);
  t.equal(second, `${family.repeat(10)}.pdf`, 'ten of 25 bytes each');
  const [third] = place(namesOf('linux'), `z${'\u0301'.repeat(500)}`);
  t.equal(Buffer.byteLength(third!), 255, 'one that is longer than a name is cut within');
  t.equal(namesOf('linux').place(`${'a'.repeat(250)}.folder`, true).name, `${'a'.repeat(250)}.fold`);
  t.strictSame(place(namesOf('linux', { truncate: false }), 'a'.repeat(256)), ['!']);
});

t.test('the path counts: names are cut to the room that is left, or refused', async (t) => {
  const parent = 'p'.repeat(380);
  const [name] = place(namesOf('onedrive', {}, { parent }), `${'n'.repeat(100)}.pdf`);
  t.equal(name, `${'n'.repeat(15)}.pdf`);
  t.strictSame(place(namesOf('onedrive', {}, { parent: 'p'.repeat(396) }), 'n.pdf', 'abc'), ['!', 'abc']);
});

t.test('numbered names are cut to fit, as is said by their number', async (t) => {
  const long = `${'a'.repeat(251)}.pdf`;
  t.strictSame(place(namesOf('smb', { truncate: false }), long, long.toUpperCase()), [
    long,
    `${'A'.repeat(247)} (1).PDF`,
  ]);
});

t.test('names that targets keep for themselves are not given out', async (t) => {
  t.strictSame(place(namesOf('linux'), '.procorefs-part-a', '.procorefs-trash'), [
    '_.procorefs-part-a',
    '_.procorefs-trash',
  ]);
  t.strictSame(place(namesOf('smb', { transform: false }), '.Procorefs-Trash', '.procorefs-x', '.procorefs'), [
    '!',
    '!',
    '.procorefs',
  ]);
});

t.test('ten thousand names that become one are numbered in no time', async (t) => {
  const names = namesOf('smb');
  const given = Array.from({ length: 10_000 }, (_, index) => `a${':?*|'[index % 4]}b.txt`);
  t.equal(new Set(place(names, ...given)).size, 10_000);
  t.equal(names.place('a-b.txt', false).name, 'a-b (10000).txt');
});

const piece = fc.oneof(
  fc.constantFrom(
    '/',
    ':',
    '?',
    '\0',
    '.',
    ' ',
    'CON',
    'aux',
    '_vti_',
    '~$',
    '.pdf',
    'a',
    'A',
    'é',
    'e\u0301',
    'ß',
    'SS',
  ),
  fc.constantFrom(
    '\ud800',
    '\u2038',
    '\uff0f',
    '👨‍👩‍👧‍👦',
    '.procorefs-trash',
    '.exe',
    ' (1)',
    'x'.repeat(120),
    '語'.repeat(90),
  ),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const name = fc.array(piece, { maxLength: 5 }).map((parts) => parts.join(''));
const options = fc.record({
  transform: fc.boolean(),
  encode: fc.boolean(),
  truncate: fc.boolean(),
  duplicates: fc.constantFrom('rename' as const, 'warn' as const),
});
const folded = (text: string): string => text.normalize('NFC').toLowerCase();

t.test('whatever comes, names obey the platform, differ there, and come the same again', async (t) => {
  let placed = 0;
  for (const platform of platformNames) {
    const rules = rulesOf(platform, { restrictedTypes: ['.exe'] });
    fc.assert(
      fc.property(
        options,
        fc.array(fc.tuple(name, fc.boolean()), { maxLength: 12 }),
        fc.array(name, { maxLength: 4 }),
        fc.constantFrom('', 'Folder', 'p'.repeat(230)),
        (given, items, taken, parent) => {
          const run = (): (NamedItem | undefined)[] => {
            const names = new FolderNames({ ...given, rules }, parent, taken);
            return items.map(([item, folder]) => {
              try {
                return names.place(item, folder);
              } catch (error) {
                if (isFailure(error, 'item-name-refused')) return undefined;
                throw error;
              }
            });
          };
          const results = run();
          const seen = new Set(taken.map((text) => (rules.caseInsensitive ? folded(text) : text)));
          for (const [index, result] of results.entries()) {
            if (!result) continue;
            placed++;
            const [original, folder] = items[index]!;
            const path = parent === '' ? result.name : `${parent}/${result.name}`;
            if (judgeName(rules.names, result.name) || judgePath(rules.names, path)) return false;
            if (/\p{Cs}/u.test(result.name) || (!folder && result.name.toLowerCase().endsWith('.exe'))) return false;
            if (/^\.procorefs-(part-|trash$)/i.test(result.name)) return false;
            if ((result.changed === undefined) !== (result.name === original) || result.changed === '') return false;
            const compared = rules.caseInsensitive ? folded(result.name) : result.name;
            if (seen.has(compared)) return false;
            seen.add(compared);
          }
          return JSON.stringify(run()) === JSON.stringify(results);
        },
      ),
      { numRuns: 150 },
    );
  }
  t.ok(placed > 5000, `${placed} placed`);
});

t.test('with everything allowed no name is refused, except for its type or for want of room', async (t) => {
  fc.assert(
    fc.property(fc.array(name, { maxLength: 8 }), (items) => {
      for (const platform of platformNames)
        for (const encode of [false, true]) {
          const names = namesOf(platform, { encode });
          for (const item of items) names.place(item, false);
        }
      return true;
    }),
    { numRuns: 60 },
  );
  t.pass('held');
});

t.test('encoded names decode to what they were, unless they were cut or numbered', async (t) => {
  for (const platform of platformNames) {
    const rules = rulesOf(platform);
    fc.assert(
      fc.property(name, (item) => {
        const placer = namesOf(platform, { encode: true, transform: false, truncate: false });
        const [placed] = place(placer, item);
        return placed === '!' || decodedName(rules, placed!) === item;
      }),
      { numRuns: 300 },
    );
    t.pass(platform);
  }
});
