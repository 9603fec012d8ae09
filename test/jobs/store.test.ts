import { join } from 'node:path';
import t from 'tap';
import { parseJobBody } from '#src/jobs/definition/job-schema.js';
import { emptyEstimate } from '#src/jobs/plan/cost.js';
import { writeReport } from '#src/jobs/report/report.js';
import { contentOf, Folders, put } from '../support/jobs.js';

const ITEMS = 2500;

t.test('while the report of a run is written, another run goes on', async (t) => {
  const folders = new Folders(t);
  const { store } = folders;
  const [one, other] = [folders.add(), folders.add()];
  const now = Date.now();
  const execution = store.begin(one.id, 'manual', false, now);
  const items = store.items(execution.id);
  const place = { folder: 'f', otherFolder: 'f', isFolder: false, bytes: 1, count: 1 } as const;
  const records = store.records(one.id);
  items.transaction(() => {
    for (let n = 0; n < ITEMS; n++) {
      const [name, otherName] = [`name: ${n}`, `name_ ${n}`];
      const status = n % 2 === 0 ? 'success' : 'remediation';
      items.add({ ...place, name, otherName, action: 'copy', status });
      const renamed = n % 3 === 0 ? undefined : 'a colon';
      records.put({ ...place, name, otherName, renamed, source: undefined, destination: undefined });
    }
  });
  const second = store.begin(other.id, 'manual', false, now);
  let written = 0;
  const writing = setInterval(() => {
    store.update(second.id, { calls: written++ });
    store.items(second.id).add({ ...place, name: 'x', otherName: 'x', action: 'copy', status: 'pending' });
  });
  const outcome = { status: 'completed', reason: undefined, stats: {}, estimate: emptyEstimate() } as const;
  await writeReport(folders.top, store, one, execution, outcome);
  clearInterval(writing);
  t.ok(written > 0, 'the other run wrote meanwhile');
  const names = (status?: readonly ['success' | 'remediation']): string[] =>
    [...items.rows(status)].map(({ name }) => name);
  const all = Array.from({ length: ITEMS }, (_, n) => `name: ${n}`);
  t.strictSame(names(), all, 'every item once, in order');
  t.strictSame(
    names(['remediation']),
    all.filter((_, n) => n % 2 === 1),
  );
  t.equal([...records.renamed()].length, all.filter((_, n) => n % 3 !== 0).length, 'the manifest has all');
  t.strictSame([...store.items(second.id + 1).rows()], []);
});

t.test('a job that is given another destination begins anew there: nothing looks deleted', async (t) => {
  const folders = new Folders(t);
  const { store, a, b } = folders;
  put(a, { 'one.txt': '1', 'd/two.txt': '2' });
  const { id } = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror' });
  await folders.run(id);
  put(b, { 'new/own.txt': 'o' });
  const { name, transfer, schedule } = store.get(id);
  const destination = { connection: { id: b }, target: { path: '/new' } };
  const body = parseJobBody({ name, schedule, transfer: { ...transfer, destination } });
  const running = store.begin(id, 'manual', false, Date.now());
  t.throws(() => store.replace(id, body), { code: 'job-running' });
  store.update(running.id, { status: 'cancelled', ended: Date.now() });
  store.replace(id, body);
  await folders.run(id);
  t.strictSame(contentOf(a), { 'd/two.txt': '2', 'one.txt': '1', 'own.txt': 'o' });
  t.strictSame(contentOf(join(b, 'new')), { 'd/two.txt': '2', 'one.txt': '1', 'own.txt': 'o' });
});
