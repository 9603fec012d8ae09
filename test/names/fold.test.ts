import t from 'tap';
import { foldCase } from '#src/names/fold.js';

t.test('characters fold alike exactly where Unicode compares them alike without case', async (t) => {
  const cased: string[] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    if (/\p{Changes_When_Casemapped}/u.test(character)) cased.push(character);
  }
  const text = cased.join('');
  const alike = new Map<string, string[]>();
  for (const character of cased) {
    const fold = foldCase(character);
    alike.set(fold, [...(alike.get(fold) ?? []), character]);
  }
  const wrong = cased.filter((character) => {
    const pattern = new RegExp(`\\u{${character.codePointAt(0)!.toString(16)}}`, 'giu');
    return text.match(pattern)!.join('') !== alike.get(foldCase(character))!.join('');
  });
  t.strictSame(wrong, []);
  t.ok(cased.length > 2000);
  t.equal(foldCase('STRASSE Ω.PDF'), foldCase('strasse \u2126.pdf'));
  t.not(foldCase('straße'), foldCase('strasse'), 'simple folding changes no length');
  t.not(foldCase('caf\u00e9'), foldCase('cafe\u0301'), 'twins of normalisation stay apart');
});
