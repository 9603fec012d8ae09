import picomatch from 'picomatch';
import t from 'tap';
import { compileGlob } from '#src/jobs/glob.js';
import fc from '../support/properties.js';

const matching = (pattern: string, ...texts: string[]): string[] => texts.filter(compileGlob(pattern).matches);

t.test('stars, question marks and sets', async (t) => {
  t.strictSame(matching('*.pdf', 'a.pdf', '.pdf', 'a.PDF', 'a.pdf.txt'), ['a.pdf', '.pdf']);
  t.strictSame(matching('a?c', 'abc', 'a😀c', 'ac', 'abbc'), ['abc', 'a😀c']);
  t.strictSame(matching('[a-c1-]x', 'ax', 'cx', '1x', '-x', 'dx'), ['ax', 'cx', '1x', '-x']);
  t.strictSame(matching('[!a-c]x', 'ax', 'dx'), ['dx']);
  t.strictSame(matching('[]a]x', ']x', 'ax', 'x'), [']x', 'ax']);
  t.strictSame(matching('a[b', 'a[b', 'ab'), ['a[b']);
  t.strictSame(matching('\\*a\\', '*a\\', 'xa\\'), ['*a\\']);
  t.strictSame(matching('Caf\u00e9', 'Cafe\u0301'), ['Cafe\u0301']);
});

t.test('braces, also nested, empty and across slashes', async (t) => {
  t.strictSame(matching('a{b,{c,d}e,}f', 'abf', 'acef', 'adef', 'af', 'aef'), ['abf', 'acef', 'adef', 'af']);
  t.strictSame(matching('{a/b,c}/*', 'a/b/x', 'c/x', 'b/x'), ['a/b/x', 'c/x']);
  t.strictSame(matching('{a}{b', '{a}{b', 'ab'), ['{a}{b']);
  t.strictSame(matching('\\{a,b}', '{a,b}', 'a'), ['{a,b}']);
  t.throws(() => compileGlob('{a,b}'.repeat(20)), { code: 'job-refused' });
});

t.test('folders of any depth', async (t) => {
  t.strictSame(matching('**/x', 'x', 'a/x', 'a/b/x', 'a/xx'), ['x', 'a/x', 'a/b/x']);
  t.strictSame(matching('a/**/b/**', 'a/b', 'a/x/y/b/z', 'a/x'), ['a/b', 'a/x/y/b/z']);
  t.strictSame(matching('a*', 'a', 'ab', 'a/b'), ['a', 'ab'], 'a star stays in its part');
});

t.test('names made to hold up a matcher do not', async (t) => {
  const started = process.cpuUsage();
  const glob = compileGlob('**/*a*a*a*a*a*a*a*a*b/**/c*-*-*-*-*.pdf');
  const path = Array<string>(40).fill('a'.repeat(255)).join('/');
  t.notOk(glob.matches(`${path}/c${'-'.repeat(250)}`));
  t.ok(glob.matches(`${path}b/c${'-'.repeat(250)}.pdf`));
  t.ok(process.cpuUsage(started).user < 2_000_000, 'a regular expression would take for ever');
});

t.test('patterns made to hold up a matcher are refused or cost no more than others', async (t) => {
  const started = process.cpuUsage();
  t.throws(() => compileGlob('{'.repeat(40_000)), { code: 'job-refused', details: { why: /over 1000 characters/ } });
  t.ok(compileGlob('{'.repeat(1000)).matches('{'.repeat(1000)));
  const many = compileGlob(`${'{a,b}'.repeat(9)}${'{'.repeat(900)}`);
  t.equal(many.alternatives, 512);
  t.ok(many.matches(`${'a'.repeat(9)}${'{'.repeat(900)}`));
  t.ok(process.cpuUsage(started).user < 500_000, 'a brace that nothing closes is walked over once');
});

const part = fc.oneof(
  fc.constant('**'),
  fc
    .array(fc.constantFrom('*', '?', 'a', 'b', '.', '[ab]', '{a,bb}', '{b,?}'), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join('')),
);
const glob = fc
  .array(part, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  // There `a/**` does not match `a` itself, `***` and `a**` mean something else, and `./` at the start nothing.
  .filter(
    (text) =>
      !text.includes('***') &&
      !/[^/]\*\*|\*\*[^/]/.test(text) &&
      !text.endsWith('**') &&
      !text.startsWith('./') &&
      text.split('{').length < 9,
  );
const path = fc
  .array(fc.array(fc.constantFrom('a', 'b', 'ab', 'x'), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 })
  .map((names) => names.map((name) => name.join('')).join('/'));

t.test('matches what a matcher by regular expressions does', async (t) => {
  let matched = 0;
  fc.assert(
    fc.property(glob, path, (pattern, text) => {
      const expected = picomatch(pattern, { dot: true, windows: false, strictSlashes: true })(text);
      if (expected) matched++;
      return compileGlob(pattern).matches(text) === expected;
    }),
    { numRuns: 20_000 },
  );
  t.ok(matched > 500, `${matched} matched`);
});

t.test('where a path matches, each folder above it may', async (t) => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), path, (parts, text) => {
      fc.pre(parts.join('').split('{').length < 9);
      const { matches, mayMatchBelow } = compileGlob(parts.join('/'));
      const names = text.split('/');
      return !matches(text) || names.slice(1).every((_, index) => mayMatchBelow(names.slice(0, index + 1).join('/')));
    }),
    { numRuns: 10_000 },
  );
  t.pass('held');
});
