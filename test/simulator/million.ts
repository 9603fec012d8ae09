import type { Test } from 'tap';
import { simulator } from '../support/simulator.js';
import { SimulatorClient } from '../support/simulator-client.js';

/** Crawls a project of so many items through the index, with changes on the way, and checks that nothing is missing. */
export async function millionItems(t: Test, items = 1_000_000): Promise<void> {
  t.setTimeout(240_000);
  const server = await simulator(t, { items, spike: 1_000_000, hourly: 1_000_000 });
  const client = await SimulatorClient.signedIn(server);
  const ids = new Set<number>();
  const perPage = 10_000;
  let total = items;
  for (let page = 1; (page - 1) * perPage < total; page++) {
    const reply = await client.documents(`sort=created_at&per_page=${perPage}&page=${page}`);
    total = Number(reply.headers.get('total'));
    for (const { id } of reply.body) ids.add(id);
    if (page === 2) await server.admin.change({ op: 'create', path: 'while listed.txt', content: '' });
    if (page === 3) await server.admin.change({ op: 'delete', path: '05 Photos' });
  }
  // The bin, what is in it, and Schedules come on top.
  t.equal(ids.size, total);
  t.ok(total > items + 2 && total < items + 60, `${total} rows`);
  const changed = await client.documents('sort=-updated_at&per_page=2&view=extended');
  t.strictSame(changed.body.map(({ name }: { name: string }) => name).sort(), ['05 Photos', 'while listed.txt']);
  const live = Number((await client.documents('filters[is_in_recycle_bin]=false&per_page=1')).headers.get('total'));
  const gone = Number((await client.documents('filters[is_in_recycle_bin]=true&per_page=1')).headers.get('total'));
  t.equal(live + gone, total);
  t.ok(gone > items / 50, 'what is below the deleted folder is in the bin too');
  const tree = await server.admin.tree({ hash: false });
  t.equal(tree.length, live - 1, 'all that is live but the bin');
}
