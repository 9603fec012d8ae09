import t from 'tap';
import { fitsLinux, linuxNames, suffixedName } from '#src/names/linux.js';
import fc from '../support/properties.js';

const { encode, decode } = linuxNames;
const QUOTE = '\u201b';
/** Strings rich in what the encoding treats specially. */
const tricky = fc
  .array(
    fc.constantFrom(
      '/',
      '\0',
      '.',
      QUOTE,
      '\uff0f',
      '\u2400',
      '\uff0e',
      '\u2205',
      '.procore',
      '\uff0eprocore',
      'a',
      '\ud800',
      '\u{f0000}',
      '😀',
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));
const anyName = fc.oneof(tricky, fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'grapheme' }));
/** A full-width look at how many runs; the seed is printed by fast-check when one fails. */
const runs = { numRuns: 20_000 };

t.test('every remote name is shown as a name that Linux can hold, and decodes to itself', async (t) => {
  fc.assert(
    fc.property(anyName, (remote) => {
      const shown = encode(remote);
      return (
        !/[/\0]/.test(shown) &&
        !['', '.', '..', '.procore'].includes(shown) &&
        Buffer.from(shown).toString() === shown &&
        decode(shown) === remote
      );
    }),
    runs,
  );
  t.pass('held');
});

t.test('every name that Linux can hold stands for one remote name, and is shown as itself', async (t) => {
  fc.assert(
    fc.property(anyName, (name) => {
      const local = Buffer.from(name.replace(/[/\0]/g, '')).toString();
      fc.pre(!['', '.', '..', '.procore'].includes(local));
      return encode(decode(local)) === local;
    }),
    runs,
  );
  t.pass('held');
});

t.test('ordinary names are shown as they are', async (t) => {
  for (const name of [
    'A-101 Floor Plan Rev 3.pdf',
    'a:b*c?"<>|\\d',
    ' ',
    '...',
    '.hidden',
    'Ünï©ødé',
    'a\nb',
    `it${QUOTE}s`,
  ])
    t.equal(encode(name), name);
  t.equal(encode('a/b'), 'a\uff0fb');
  t.equal(encode('a\uff0fb'), `a${QUOTE}\uff0fb`);
  t.equal(encode('..'), '\uff0e\uff0e');
  t.equal(encode('.procore'), '\uff0eprocore');
});

t.test('a suffixed name keeps its extension, fits 255 bytes and splits no character', async (t) => {
  t.equal(suffixedName('plan.pdf', 12), 'plan (12).pdf');
  t.equal(suffixedName('Folder', 12), 'Folder (12)');
  t.equal(suffixedName('.bashrc', 12), '.bashrc (12)');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.nat(), (name, id) => {
      const shown = suffixedName(name, id);
      return fitsLinux(shown) && shown.includes(` (${id})`) && Buffer.from(shown).toString() === shown;
    }),
  );
});
