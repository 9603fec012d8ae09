import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { asCompanyId, asInode, asProjectId } from '#src/base/ids.js';
import { CompanyStore, type ListedProject } from '#src/mirror/company/store.js';
import fc from '../support/properties.js';

const NOW = 1_700_000_000;

const project = (id: number, name: string): ListedProject => ({
  id: asProjectId(id),
  company: asCompanyId(7),
  name,
  updatedAt: NOW - id,
});

/** A store that can be opened again. */
function stored(t: { teardown(cleanup: () => unknown): unknown }) {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-company-'));
  let store = new CompanyStore(join(folder, 'company.db'));
  t.teardown(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get store() {
      return store;
    },
    reopen() {
      store.close();
      store = new CompanyStore(join(folder, 'company.db'));
      return store;
    },
  };
}

const shown = (store: CompanyStore): Record<number, string> =>
  Object.fromEntries(store.all.map(({ id, name }) => [id, name]));

t.test('names of projects are unique, can stand on Linux, and stay', async (t) => {
  const at = stored(t);
  const listed = [
    project(30, 'Tower'),
    project(10, 'Tower'),
    project(20, 'A/B'),
    project(21, 'A／B'),
    project(22, '..'),
    project(23, '.procore'),
    project(24, ''),
    project(25, 'x'.repeat(300)),
    project(26, 'x'.repeat(301)),
  ];
  at.store.replace(listed, NOW);
  const names = shown(at.store);
  t.match(names, { 10: 'Tower', 30: 'Tower (30)', 20: 'A／B' }, 'the lowest id has the plain name');
  t.equal(new Set(Object.values(names)).size, listed.length);
  for (const name of Object.values(names)) {
    t.notMatch(name, /^\.{0,2}$|\/|\0|^\.procore$/);
    t.ok(Buffer.byteLength(name) <= 255);
  }
  t.strictSame(shown(at.reopen()), names, 'also after a restart');

  t.strictSame(at.store.replace(listed, NOW + 1), [], 'the same listing changes nothing');
  t.strictSame(at.store.replace([...listed, project(5, 'Tower')], NOW + 2), [
    { before: undefined, after: 'Tower (5)' },
  ]);
  t.equal(at.store.named('Tower')?.id, 10, 'a name is not taken from who has it');
  const without = listed.filter(({ id }) => id !== 10);
  t.strictSame(
    at.store.replace(without, NOW + 3).sort((a, b) => a.before!.localeCompare(b.before!)),
    [
      { before: 'Tower', after: undefined },
      { before: 'Tower (5)', after: undefined },
    ],
    'what is not listed is gone, the others stay what they are',
  );
  t.ok(at.store.isGone(asProjectId(10)));
  t.equal(at.store.get(asProjectId(10))?.name, 'Tower', 'programs with an open file of it go on');
  const renamed = without.map((one) => (one.id === 30 ? project(30, 'Bridge') : one));
  t.strictSame(at.store.replace(renamed, NOW + 4), [{ before: 'Tower (30)', after: 'Bridge' }]);
});

t.test('file numbers: each of one project and inode, stable over restarts, below 2^36', async (t) => {
  const at = stored(t);
  const projects = [11, 12, 13].map(asProjectId);
  at.store.replace(
    projects.map((id) => project(id, `P ${id}`)),
    NOW,
  );
  const given = new Map<number, string>();
  const inodes = fc.oneof(
    fc.integer({ min: 1, max: 3_000_000 }),
    fc.integer({ min: 2 ** 35, max: 2 ** 35 + 500_000 }),
    fc.constantFrom(1, 65_535, 65_536, 2 ** 35, 2 ** 36 - 1),
  );
  fc.assert(
    fc.property(fc.constantFrom(...projects), inodes, (id, inode) => {
      const { numbers } = at.store;
      const number = numbers.number(id, asInode(inode));
      const known = given.get(number);
      given.set(number, `${id} ${inode}`);
      return (
        number > 65_535 &&
        number < 2 ** 32 &&
        numbers.project(number) === id &&
        numbers.inode(number) === inode &&
        (known === undefined || known === `${id} ${inode}`)
      );
    }),
    { seed: 6, numRuns: 3000 },
  );
  const { numbers } = at.reopen();
  for (const [number, text] of given) {
    const [id, inode] = text.split(' ').map(Number);
    if (numbers.number(asProjectId(id!), asInode(inode!)) !== number) t.fail(`${text} has another number`);
  }
  t.equal(at.store.numbers.project(1 as never), undefined, 'the company’s own');
});

t.test('a refusal is remembered for a while, over a restart, until the project was opened', async (t) => {
  const at = stored(t);
  const id = asProjectId(11);
  at.store.replace([project(11, 'P')], NOW);
  at.store.refuse(id, new Failure('project-not-permitted', { project: 11 }), NOW);
  t.match(at.reopen().refusal(id, NOW + 60), { code: 'project-not-permitted', errno: 'EACCES' });
  t.equal(at.store.refusal(id, NOW + 3600), undefined);
  t.equal(at.store.refusal(id, NOW - 3600), undefined, 'a clock that was wrong does not lock the project');
  at.store.forgive(id);
  t.equal(at.reopen().refusal(id, NOW + 60), undefined);
});
