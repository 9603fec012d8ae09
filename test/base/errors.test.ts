import { constants } from 'node:os';
import t from 'tap';
import { catalogue } from '#src/base/catalogue.js';
import { Failure, type FailureCode } from '#src/base/errors.js';

t.test('every row of the catalogue has a known errno, a status and words', async (t) => {
  for (const [code, row] of Object.entries(catalogue)) {
    t.ok(row.errno in constants.errno, `${code}: ${row.errno} is an errno of this platform`);
    t.ok(row.http >= 400 && row.http < 600, `${code}: ${row.http} is an error status`);
    t.notMatch(row.what + row.remedy, /\n/, `${code}: one line`);
  }
});

t.test('a failure is one line with what, why and what to do, safe for a terminal', async (t) => {
  const failure = new Failure('mountpoint-missing', { path: '/mnt/\u001b[31mred\nline' }, new Error('because'));
  t.equal(
    failure.line,
    'the mount point /mnt/\\x1b[31mred\\x0aline does not exist: because; create it with `mkdir -p /mnt/\\x1b[31mred\\x0aline`',
  );
  t.equal(failure.errno, 'ENOENT');
});

t.test('a detail that was forgotten shows as a question mark, not as a crash', async (t) => {
  const code: FailureCode = 'unreachable';
  t.match(new Failure(code).message, /^\? cannot be reached/);
});
