import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { silentLog } from '#src/base/log.js';
import { Throttle } from '#src/budget/throttle.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import { mirrorBench, mirrorTree } from '../support/mirror.js';
import { mounted } from '../support/mounted.js';
import { simulator } from '../support/simulator.js';

t.test('p-throttle: a burst through the last gate is never refused, and without it is', async (t) => {
  const spikeSeconds = 4;
  /** Seconds: how unevenly calls may arrive where the machine is busy. */
  const uneven = 2;
  const { ready, admin } = await simulator(t, { items: 5, spike: 20, spikeSeconds, switch: ['spike-window=sliding'] });
  const token = await fetch(`${ready.login}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: ready.client_id,
      client_secret: ready.client_secret,
    }),
  }).then((reply) => reply.json() as Promise<{ access_token: string }>);
  const call = async (): Promise<number> => {
    const headers = {
      authorization: `Bearer ${token.access_token}`,
      'procore-company-id': String(ready.company_id),
    };
    const reply = await fetch(`${ready.api}/rest/v1.0/me`, { headers });
    await reply.arrayBuffer();
    return reply.status;
  };
  const throttle = new Throttle((spikeSeconds + uneven) * 1000, systemClock);
  const burst = Array.from({ length: 50 });
  const gated = await Promise.all(burst.map(() => throttle.run(20, () => 0, call)));
  t.strictSame(new Set(gated), new Set([200]), 'each call of the burst is answered');
  t.equal((await admin.calls()).status429, 0);
  const bare = await Promise.all(burst.map(() => call()));
  t.ok(bare.filter((status) => status === 429).length >= 10, 'the same burst without the gate is refused');
});

t.test('lru-cache: what is kept of items in memory is bounded, and serves', async (t) => {
  const bench = await mirrorBench(t, { items: 26_000, oddNames: 'no', shape: 'wide' });
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(new AbortController().signal);
  const items = [...mirrorTree(mirror).values()];
  const { limit } = mirror.view.statistics();
  t.ok(items.length > limit, 'there are more items than places');
  for (const { inode } of items) mirror.view.item(inode);
  const once = mirror.view.statistics();
  t.equal(once.entries, limit, 'it is full, and not more than that');
  for (const { inode } of items.slice(-1000)) mirror.view.item(inode);
  t.equal(mirror.view.statistics().hits - once.hits, 1000, 'what was asked for lately is answered from memory');
});

t.test('the hit rate stands in status', async (t) => {
  const { installation, mnt } = await mounted(t, { items: 100, oddNames: 'no' });
  const before = (await installation.crawled(mnt)).mirror.lru;
  for (const entry of await readdir(mnt, { withFileTypes: true }))
    if (entry.isDirectory()) await readdir(join(mnt, entry.name));
  const { lru } = (await installation.status(mnt)).mirror;
  t.ok(lru.hits + lru.misses > before.hits + before.misses);
  t.ok(lru.entries <= lru.limit);
  t.match(await installation.must(['status', mnt]), /^ +items +\d+ of \d+ in memory, hit rate \d+ %$/m);
});
