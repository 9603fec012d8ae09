import t from 'tap';
import { conflictName, freeConflictName } from '#src/outbox/upload/conflict-name.js';

const at = new Date(2026, 0, 31, 9, 5, 7);
const SUFFIX = ' (conflict host 2026-01-31 09.05.07)';
const named = (name: string): string => conflictName(name, at, 'host');

t.test('a conflict keeps the extension', async (t) => {
  for (const [name, wanted] of [
    ['plan.pdf', `plan${SUFFIX}.pdf`],
    ['archive.tar.gz', `archive.tar${SUFFIX}.gz`],
    ['no extension', `no extension${SUFFIX}`],
    ['.bashrc', `.bashrc${SUFFIX}`],
    ['Vol. 1', `Vol. 1${SUFFIX}`],
    [`plan${SUFFIX}`, `plan${SUFFIX}${SUFFIX}`],
    [`plan${SUFFIX}.pdf`, `plan${SUFFIX}${SUFFIX}.pdf`],
  ] as const)
    t.equal(named(name), wanted);
});

t.test('it fits a name of Linux, whatever is long in it', async (t) => {
  for (const name of ['ä'.repeat(127), `${'ä'.repeat(125)}.pdf`, `a.${'b'.repeat(253)}`, `.${'b'.repeat(254)}`]) {
    const found = named(name);
    t.ok(Buffer.byteLength(found) <= 255, `${Buffer.byteLength(found)} bytes`);
    t.ok(found.includes(SUFFIX));
  }
});

t.test('two conflicts of one second have names of their own', async (t) => {
  const first = conflictName('plan.pdf', at);
  t.equal(
    freeConflictName('plan.pdf', at.getTime(), (name) => name === first),
    conflictName('plan.pdf', new Date(2026, 0, 31, 9, 5, 8)),
  );
});
