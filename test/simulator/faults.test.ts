import t from 'tap';
import { until } from '../support/processes.js';
import { simulator } from '../support/simulator.js';
import { SimulatorClient } from '../support/simulator-client.js';

t.test('faults', async (t) => {
  const server = await simulator(t, { items: 60, hourly: 10_000, spike: 10_000 });
  const client = await SimulatorClient.signedIn(server);
  const { admin } = server;
  const once = (name: string, more: object = {}) => admin.faults({ [name]: { count: 1, ...more } });
  const file = await admin.change({ op: 'create', path: 'f.bin', size: 100_000 });
  const url = async () => (await client.file(file.id)).body.file_versions[0].url as string;

  t.test('of the API', async (t) => {
    const { api } = server.ready;
    const replies: [string, number, RegExp][] = [
      ['429-hour', 429, /surpassed/],
      ['429-spike', 429, /surpassed/],
      ['503-retry-after', 503, /Unavailable/],
      ['500-html', 500, /<html>/],
      ['408', 408, /Timeout/],
    ];
    for (const [name, status, text] of replies) {
      await once(name, { retry_after: 3 });
      const reply = await client.folders();
      t.equal(reply.status, status, name);
      t.match(JSON.stringify(reply.body), text);
      if (status === 429 || status === 503) t.match(reply.headers.get('retry-after'), /^[34]$/);
      if (status === 429) t.equal(reply.headers.get('x-rate-limit-remaining'), '0');
      t.equal((await client.folders()).status, 200, 'only once');
    }
    const make = () =>
      client.ask('/rest/v1.0/folders?project_id={project}', { method: 'POST', body: { folder: { name: 'lost' } } });
    await once('reset-before');
    await t.rejects(make());
    await once('reset-after');
    await t.rejects(make());
    t.equal((await make()).status, 400, 'the second try had been done');
    const late = (name: string) =>
      client.ask('/rest/v1.0/folders?project_id={project}', { method: 'POST', body: { folder: { name } } });
    await once('late');
    t.equal((await late('late')).status, 504);
    t.equal(await admin.lateWork(), 1);
    t.notOk(
      (await admin.tree()).some(({ path }) => path === 'late'),
      'not done yet',
    );
    await once('late-reset', { ms: 1 });
    await t.rejects(late('cut'));
    await until(async () => (await admin.tree()).some(({ path }) => path === 'cut'));
    t.strictSame(await admin.finishLate(), [201]);
    t.ok((await admin.tree()).some(({ path }) => path === 'late'));
    for (const name of ['truncated-body', 'malformed-json']) {
      await once(name, { on: ['api'] });
      await t.rejects(client.folders(), name);
    }
    await once('forbidden-folder');
    const root = (await client.folders()).body;
    t.equal((await client.folders(root.folders[0].id)).status, 403);
    await admin.faults({ 'forbidden-folder': { id: root.folders[1].id } });
    t.equal((await client.folders(root.folders[1].id)).status, 403);
    t.equal((await client.folders(root.folders[2].id)).status, 200);
    await admin.noFaults();
    await once('slow', { ms: 300 });
    const started = Date.now();
    await client.folders();
    t.ok(Date.now() - started >= 290);
    await once('500-html', { route: 'folders/:id', after: 1 });
    t.equal((await client.folders()).status, 200);
    t.equal((await client.folders(root.id)).status, 200);
    t.equal((await client.folders(root.id)).status, 500);
    t.match(api, /^http:\/\/127/);
  });

  t.test('of the token', async (t) => {
    for (const name of ['token-expired', 'token-revoked']) {
      await once(name);
      t.equal((await client.folders()).status, 401);
      t.equal((await client.folders()).status, 401, 'it stays refused');
      client.token = (await client.grant({ grant_type: 'client_credentials' })).body.access_token;
      t.equal((await client.folders()).status, 200);
    }
    await once('login-unavailable');
    t.equal((await client.grant({ grant_type: 'client_credentials' })).status, 503);
  });

  t.test('of the limits and the clock', async (t) => {
    const limit = async () => (await client.folders()).headers.get('x-rate-limit-limit');
    await admin.faults({ 'limit-changes': { count: 2, limit: 700 } });
    t.equal(await limit(), '700');
    t.equal(await limit(), '10000');
    await once('limit-changes');
    t.equal(await limit(), '600');
    t.equal(await limit(), '600', 'it stays');
    await admin.faults({ 'limit-changes': 0 });
    t.equal(await limit(), '10000', 'until it is switched off');
    await admin.faults({ 'clock-skew': { seconds: 86_400 } });
    const skewed = Date.parse((await client.folders()).headers.get('date')!);
    t.ok(skewed - Date.now() > 86_000_000);
    await admin.faults({ 'clock-skew': 0 });
    await once('wrong-date', { seconds: -3600 });
    const wrong = Date.parse((await client.folders()).headers.get('date')!);
    t.ok(Math.abs(wrong - Date.now() + 3_600_000) < 60_000);
  });

  t.test('of the storage', async (t) => {
    const signed = await url();
    const get = (range?: string) => fetch(signed, range ? { headers: { range } } : {});
    await once('url-expired');
    t.equal((await get()).status, 403);
    t.equal((await get()).status, 403, 'for ever');
    const fresh = await url();
    await once('range-ignored');
    const whole = await fetch(fresh, { headers: { range: 'bytes=0-9' } });
    t.equal(whole.status, 200);
    t.equal((await whole.arrayBuffer()).byteLength, 100_000);
    await once('wrong-size', { bytes: 7 });
    const part = await fetch(fresh, { headers: { range: 'bytes=0-9' } });
    t.equal(part.headers.get('content-range'), 'bytes 0-9/99993');
    await once('truncated-body', { on: ['storage'] });
    await t.rejects((await fetch(fresh)).arrayBuffer());
    await once('503-retry-after', { on: ['storage'] });
    t.equal((await fetch(fresh)).status, 503);
    await once('reset-before', { on: ['storage'] });
    await t.rejects(fetch(fresh));
  });

  t.test('the index answers as it was', async (t) => {
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const list = async () =>
      (await client.documents('per_page=1000&sort=updated_at&view=extended')).body.map(
        (row: {
          id: number;
          name: string;
          is_deleted: boolean;
          file: { current_version: { number: number } } | null;
        }) => [row.id, row.name, row.is_deleted, row.file?.current_version.number].join(),
      );
    const before = await list();
    await admin.change({ op: 'create', path: 'fresh.txt', content: '' });
    await admin.change({ op: 'update', path: 'f.bin', content: 'new' });
    await admin.change({ op: 'rename', path: 'f.bin', to: 'g.bin' });
    await admin.change({ op: 'move', path: 'g.bin', to: '01 Drawings' });
    await admin.change({ op: 'delete', path: '02 Specifications' });
    const after = await list();
    await once('stale-index', { seconds: 1 });
    t.strictSame(await list(), before);
    t.strictSame(await list(), after);
    t.match((await client.file(file.id)).body, { name: 'g.bin', size: 3, name_with_path: /01 Drawings\/g.bin$/ });

    await admin.change({ op: 'create', path: 'p.bin', content: 'purged' });
    await admin.change({ op: 'move', path: 'p.bin', to: '01 Drawings' });
    await admin.change({ op: 'purge', path: '01 Drawings/p.bin' });
    await once('stale-index', { seconds: 60 });
    await list();
    t.notMatch(JSON.stringify(await admin.tree({ hash: false })), 'p.bin', 'looking back brings nothing back');
  });

  t.test('by probability, the same for the same seed', async (t) => {
    const pattern = async () => {
      const other = await SimulatorClient.signedIn(await simulator(t, { items: 10, seed: 'x', spike: 1000 }));
      await other.simulator.admin.faults({ '408': 0.3 });
      const statuses: number[] = [];
      for (let i = 0; i < 40; i++) statuses.push((await other.folders()).status);
      return statuses;
    };
    const one = await pattern();
    t.strictSame(await pattern(), one);
    const hits = one.filter((status) => status === 408).length;
    t.ok(hits > 3 && hits < 25, `${hits} of 40`);
  });

  t.test('what does not exist is refused', async (t) => {
    await t.rejects(admin.faults({ nonsense: 1 }), /there is no fault/);
    await t.rejects(admin.faults({ slow: 2 }), /between 0 and 1/);
    await t.rejects(admin.switches({ nonsense: 'yes' }), /there is no switch/);
    await t.rejects(admin.switches({ pkce: 'maybe' }), /is one of/);
    await t.rejects(admin.change({ op: 'explode' }), /op is one of/);
    await t.rejects(admin.change({ op: 'delete', path: 'nothing here' }), /there is no item/);
  });
});
