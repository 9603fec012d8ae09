import { join } from 'node:path';
import t from 'tap';
import { ITEM_STATUSES } from '#src/jobs/definition/words.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import type { ItemFilter } from '#src/jobs/store/pages.js';
import { Folders } from '../support/jobs.js';

const ITEMS = 600;
const MANY = 12_000;
const WORDS = ['a-1', 'LEVEL 2', 'none', '100%', 'ÜBUNG', '_', "'", '2/a-2', 'a'];

t.test('pages hold what a look at every row finds, whatever is asked for', (t) => {
  const folders = new Folders(t);
  const { store } = folders;
  const job = folders.add();
  const runs = [0, 1].map(() => store.begin(job.id, 'manual', false, Date.now()).id);
  const items = store.items(runs[1]!);
  items.transaction(() => {
    for (let n = 0; n < ITEMS; n++) {
      const folder = n % 7 === 0 ? '' : `Level ${n % 4}`;
      const name = n % 50 === 0 ? `100% Übung_${n}'` : `A-${n}.pdf`;
      const place = { folder, name, otherFolder: folder, otherName: name, bytes: 1, count: 1 };
      const isFolder = n % 10 === 0;
      const status = ITEM_STATUSES[n % ITEM_STATUSES.length]!;
      const action = n % 3 === 0 ? 'delete' : 'copy';
      items.add({ ...place, isFolder, action, status, renamed: n % 9 === 0 ? 'a colon' : undefined });
      if (n % 2 === 0) store.items(runs[0]!).add({ ...place, isFolder, action, status });
    }
  });
  const all = [...items.rows()];
  t.equal(all.length, ITEMS);
  const rank = ({ action }: { action: string }): number => (action === 'delete' ? 2 : 1);
  const expected = ({ statuses, folders, renamed, text }: Omit<ItemFilter, 'executions'>): number[] => {
    const found = all.filter(
      (item) =>
        (statuses === undefined || statuses.includes(item.status)) &&
        (folders === undefined || item.isFolder === folders) &&
        (!renamed || item.renamed !== undefined) &&
        (text === undefined || `${item.folder}/${item.name}`.toLowerCase().includes(text.toLowerCase())),
    );
    if (statuses && !folders && !renamed)
      found.sort((a, b) => (a.status < b.status ? -1 : a.status > b.status ? 1 : rank(a) - rank(b) || a.id - b.id));
    return found.map(({ id }) => id);
  };
  const texts = [undefined, ...WORDS];
  for (const text of texts)
    for (const statuses of [undefined, ['remediation', 'retry'], ['success']] as const)
      for (const folders of [undefined, true])
        for (const renamed of [undefined, true] as const) {
          const filter = { statuses, folders, renamed, text };
          const wanted = expected(filter);
          const got: number[] = [];
          for (let offset = 0; ; offset += 70) {
            const page = store.pages.items({ executions: [runs[1]!], ...filter }, { offset, limit: 70 });
            if (page.total !== wanted.length) t.equal(page.total, wanted.length, JSON.stringify(filter));
            got.push(...page.rows.map(({ id }) => id));
            if (page.rows.length === 0) break;
          }
          t.strictSame(got, wanted, JSON.stringify(filter));
        }

  const both = store.pages.items({ executions: runs, statuses: ['retry'] }, { offset: 0, limit: 1000 });
  const retries = (count: number): number => Math.floor((count - 1 - ITEM_STATUSES.indexOf('retry')) / 6) + 1;
  t.equal(both.total, both.rows.length);
  t.equal(both.rows.filter(({ execution }) => execution === runs[1]).length, retries(ITEMS));
  t.equal(store.pages.items({ executions: [], statuses: ['retry'] }, { offset: 0, limit: 9 }).total, 0);

  // A word that is in more rows than are kept.
  const third = store.begin(job.id, 'manual', false, Date.now()).id;
  const many = store.items(third);
  many.transaction(() => {
    for (let n = 0; n < MANY; n++) {
      const place = { folder: `${n % 3}`, name: `Plan ${n}`, otherFolder: '', otherName: '', bytes: 1, count: 1 };
      many.add({ ...place, isFolder: false, action: 'copy', status: n % 100 === 0 ? 'retry' : 'success' });
    }
  });
  const common = [...many.rows()].filter(({ folder, name }) => `${folder}/${name}`.includes('1'));
  t.ok(store.pages.items({ executions: [third], text: 'plan' }, { offset: 0, limit: 1 }).total === MANY);
  for (const [text, wanted] of [
    ['plan', [...many.rows()]],
    ['1', common],
  ] as const)
    for (const offset of [0, 77, wanted.length - 5, wanted.length]) {
      const page = store.pages.items({ executions: [third], text }, { offset, limit: 10 });
      t.equal(page.total, wanted.length);
      t.strictSame(page.rows, wanted.slice(offset, offset + 10), `${text} from ${offset} on`);
    }

  // What another process writes shows at once, although nothing is looked for twice.
  const filter = { executions: [runs[1]!], text: 'a-1' };
  const before = store.pages.items(filter, { offset: 0, limit: 1 }).total;
  const other = new JobStore(join(folders.top, 'jobs', 'jobs.db'));
  const place = { folder: '', name: 'a-1', otherFolder: '', otherName: 'a-1', bytes: 1, count: 1, isFolder: false };
  other.items(runs[1]!).add({ ...place, action: 'copy', status: 'pending' });
  other.close();
  t.equal(store.pages.items(filter, { offset: 0, limit: 1 }).total, before + 1);
  items.add({ ...place, action: 'copy', status: 'pending' });
  t.equal(store.pages.items(filter, { offset: 0, limit: 1 }).total, before + 2);
  t.end();
});
