import t from 'tap';
import { filterSchema } from '#src/jobs/definition/filter-schema.js';
import { compileFilters, type FilterItem } from '#src/jobs/filters.js';
import fc from '../support/properties.js';

const compile = (...filters: object[]) => compileFilters(filters.map((filter) => filterSchema.parse(filter)));
const include = (...rules: object[]) => ({ action: 'include', rules });
const exclude = (...rules: object[]) => ({ action: 'exclude', rules });
const path = (...patterns: string[]) => ({ type: 'filter_path', patterns });
const name = (...patterns: string[]) => ({ type: 'filter_name', patterns });
const extension = (...extensions: string[]) => ({ type: 'filter_extension', extensions });

const item = (at: string, more: Partial<FilterItem> = {}): FilterItem => ({
  path: at,
  name: at.slice(at.lastIndexOf('/') + 1),
  folder: false,
  size: 10,
  mtime: 1_700_000_000,
  hidden: false,
  private: false,
  ...more,
});
const folder = (at: string, more: Partial<FilterItem> = {}): FilterItem => item(at, { folder: true, size: 0, ...more });

t.test('without filters all is taken', async (t) => {
  t.strictSame(compile()(item('a/b.txt')), { taken: true });
});

t.test('extensions are compared whatever their case and however they are written', async (t) => {
  const take = compile(include(extension('PDF', '.dwg', '*.tar.gz')));
  for (const at of ['a.pdf', 'x/B.Pdf', 'c.DWG', 'd.tar.gz']) t.ok(take(item(at)).taken, at);
  for (const at of ['a.pdfx', 'pdf', '.pdf', 'd.gz', 'a.pdf.txt']) t.notOk(take(item(at)).taken, at);
  t.ok(take(folder('a')).taken, 'a folder may hold such files');
  t.strictSame(take(item('a.txt')), { taken: false, why: 'in none of the included: extension .pdf, .dwg, .tar.gz' });
  t.ok(compile(exclude(extension('pdf')))(folder('a.pdf')).taken, 'a folder has no extension');
});

t.test('names match globs; the reason names the filter', async (t) => {
  const take = compile(exclude(name('~$*', '*.tmp', 'node_modules', 'a?c', '[xy]*')));
  for (const at of ['d/~$plan.docx', '.tmp', 'abc', 'x1']) t.notOk(take(item(at)).taken, at);
  t.notOk(take(folder('d/node_modules')).taken, 'folders as well');
  for (const at of ['plan.docx', 'ac', 'z1', 'A.TMP']) t.ok(take(item(at)).taken, at);
  t.strictSame(take(item('a.tmp')), {
    taken: false,
    why: 'excluded: name ~$*, *.tmp, node_modules, a?c, [xy]*',
  });
});

t.test('a pattern that begins with ! or has brackets means just these characters where it can', async (t) => {
  t.notOk(compile(exclude(name('!important*')))(item('!important.txt')).taken);
  t.ok(compile(exclude(name('!important*')))(item('other.txt')).taken);
  t.notOk(compile(exclude(name('plan[1].pdf')))(item('plan[1].pdf')).taken);
});

t.test('accents are compared however they are composed', async (t) => {
  t.notOk(compile(exclude(name('Caf\u00e9*')))(item('Cafe\u0301.txt')).taken);
  t.notOk(compile(exclude(path('Cafe\u0301')))(folder('Caf\u00e9')).taken);
});

t.test('an excluded path excludes what is below it', async (t) => {
  const take = compile(exclude(path('/Old/', 'A/*/tmp', '**/cache')));
  for (const at of ['Old/a', 'Old/a/b', 'A/x/tmp/f', 'deep/in/cache/f', 'cache/f']) t.notOk(take(item(at)).taken, at);
  t.notOk(take(folder('Old')).taken);
  for (const at of ['Older', 'B/Old/a', 'A/tmp/f', 'A/x/y/tmp/f']) t.ok(take(item(at)).taken, at);
});

t.test('included paths prune folders that lead to none of them', async (t) => {
  const take = compile(include(path('Drawings/*/Final/**')), include(path('Photos')), include(path('*.pdf')));
  for (const at of ['Drawings', 'Drawings/A', 'Drawings/A/Final', 'Drawings/A/Final/x/y', 'Photos', 'Photos/2026'])
    t.ok(take(folder(at)).taken, at);
  for (const at of ['Drawings/A/Draft', 'Other', 'Other/Final', 'Photos2']) t.notOk(take(folder(at)).taken, at);
  for (const at of ['Photos/a.jpg', 'Drawings/A/Final/a', 'top.pdf']) t.ok(take(item(at)).taken, at);
  for (const at of ['Drawings/a', 'Drawings/A/a', 'x/deep.pdf']) t.notOk(take(item(at)).taken, at);
  t.ok(take(folder('')).taken, 'the root leads everywhere');
});

t.test('a group with slashes prunes nothing that it could match', async (t) => {
  const take = compile(include(path('{a/b,c}/*.txt')));
  for (const at of ['a', 'a/b', 'c']) t.ok(take(folder(at)).taken, at);
  for (const at of ['a/b/x.txt', 'c/x.txt']) t.ok(take(item(at)).taken, at);
  t.notOk(take(item('a/x.txt')).taken);
});

t.test('all rules of a filter must hold, one of the includes is enough, excludes win', async (t) => {
  const take = compile(
    include(extension('pdf'), { type: 'filter_size', max: 100 }),
    include(path('All')),
    exclude({ type: 'filter_private' }),
  );
  t.ok(take(item('a.pdf')).taken);
  t.notOk(take(item('a.pdf', { size: 101 })).taken);
  t.ok(take(item('All/a.pdf', { size: 101 })).taken);
  t.notOk(take(item('All/a.pdf', { private: true })).taken);
  t.notOk(take(folder('All/a', { private: true })).taken);
  t.match(take(item('b.txt')), { why: 'in none of the included: extension .pdf and size to 100 bytes; or path All' });
});

t.test('size and date have bounds, belong to files, and exclude no folder', async (t) => {
  const size = compile(exclude({ type: 'filter_size', min: 10, max: 20 }));
  t.strictSame(
    [9, 10, 20, 21].map((size_) => size(item('a', { size: size_ })).taken),
    [true, false, false, true],
  );
  t.ok(size(folder('a', { size: 15 })).taken);
  const date = compile(include({ type: 'filter_date', after: 1000, before: 2000 }));
  t.strictSame(
    [999, 1000, 1999.5, 2000, undefined].map((mtime) => date(item('a', { mtime })).taken),
    [false, true, true, false, false],
  );
  t.ok(date(folder('a', { mtime: 1 })).taken);
  t.match(date(item('a', { mtime: 1 })), { why: /changed since 1970-01-01T00:16 before 1970-01-01T00:33/ });
});

t.test('hidden items, folders as well, can be left out', async (t) => {
  const take = compile(exclude({ type: 'filter_hidden' }));
  t.notOk(take(item('.a', { hidden: true })).taken);
  t.notOk(take(folder('.git', { hidden: true })).taken);
  t.ok(take(item('.a')).taken, 'what is hidden the platform says');
});

t.test('where a file is taken, so is each folder above it', async (t) => {
  const part = fc.constantFrom('a', 'b', 'ab', '.a', '*', '?', '**', 'a*', '{a,b}', '[ab]', '!a', '\\a', '[!b]');
  const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const names = fc.array(fc.constantFrom('a', 'b', 'ab', '.a', '!a', 'c'), { minLength: 1, maxLength: 5 });
  const filter = fc.record({
    action: fc.constantFrom('include', 'exclude'),
    rules: fc.array(
      fc.oneof(
        fc.array(pattern, { minLength: 1, maxLength: 2 }).map((all) => path(...all)),
        fc.constant(extension('a')),
      ),
      { minLength: 1, maxLength: 2 },
    ),
  });
  let taken = 0;
  fc.assert(
    fc.property(fc.array(filter, { minLength: 1, maxLength: 3 }), names, (filters, parts) => {
      const take = compile(...filters);
      if (!take(item(parts.join('/'))).taken) return true;
      taken++;
      return parts.slice(1).every((_, index) => take(folder(parts.slice(0, index + 1).join('/'))).taken);
    }),
    { numRuns: 5000 },
  );
  t.ok(taken > 500, `${taken} taken`);
});

t.test('filters that stand for more patterns than can be looked at are refused', async (t) => {
  const many = name(...Array<string>(10).fill('{a,b}'.repeat(9)));
  t.throws(() => compile(exclude(many, many)), { code: 'job-refused', details: { why: /over 10000 patterns/ } });
  const long = { type: 'filter_name', patterns: Array(99).fill(`${'{a,'.repeat(300)}${'}'.repeat(100)}`) } as const;
  t.throws(() => compile(exclude(long)), { code: 'job-refused', details: { why: /over 2000000 characters/ } });
  compile(exclude(name(...Array.from({ length: 1000 }, (_, n) => `*.${n}`))));
  for (const patterns of [Array<string>(1001).fill('a'), ['a'.repeat(1001)]])
    t.throws(() => compile(exclude(name(...patterns))));
});
