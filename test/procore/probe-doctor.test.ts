import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Connections } from '#src/connections/store.js';
import { ClientFacts } from '#src/procore/probe/client-facts.js';
import { Installation, MAIN } from '../support/mounted.js';
import { simulator } from '../support/simulator.js';

t.test('doctor --probe prints the table and keeps the answers; Ctrl-C leaves nothing in the project', async (t) => {
  const sim = await simulator(t, { items: 60, spike: 400, spikeSeconds: 1 });
  const { ready, admin } = sim;
  const at = new Installation(t);
  await at.must(
    [
      'connections',
      'add',
      'Site',
      '--client-id',
      ready.client_id,
      '--client-secret-file',
      '-',
      '--api',
      ready.api,
    ].concat([
      '--domain',
      ready.login,
      '--company',
      String(ready.company_id),
      '--project',
      String(ready.projects[0]!.id),
    ]),
    { input: ready.client_secret },
  );
  await t.test('wrong usage', async (t) => {
    const ran = await at.procorefs(['doctor', '--write', '/']);
    t.equal(ran.code, 2);
    t.match(ran.stderr, /--write needs --probe/);
  });

  const before = await admin.tree({ hash: false });
  const child = spawn(process.execPath, [MAIN, 'doctor', '--probe', 'Site', '--write', '/'], {
    env: { ...at.environment, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text));
  let errors = '';
  child.stderr.on('data', (text: Buffer) => (errors += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  while ((await admin.tree({ hash: false })).length < before.length + 3 && child.exitCode === null) await sleep(50);
  child.kill('SIGINT');
  t.equal(await ended, 1, errors);
  t.match(errors, /interrupted/);
  t.match(output, /^total-header +yes +1 +whether paged replies carry Total$/m);
  t.match(output, /^hour-window +unknown +whether the hourly window .*: only a spent hour shows it$/m);
  t.match(output, /all was made in "procorefs probe .*", which is in the project's Recycle Bin now/);
  t.strictSame(await admin.tree({ hash: false }), before);

  const connections = new Connections(at.state);
  const connection = connections.get(connections.all()[0]!.id);
  const facts = new ClientFacts(at.state, connection);
  t.equal(facts.get('total-header'), 'yes');
  t.equal(facts.get('hour-window'), undefined);
  t.equal(statSync(facts.path).mode & 0o777, 0o600);
  for (const name of readdirSync(join(at.state, 'clients'), { recursive: true, withFileTypes: true }))
    if (name.isFile()) t.notMatch(readFileSync(join(name.parentPath, name.name), 'utf8'), ready.client_secret);
  t.notMatch(output + errors, ready.client_secret);
});

t.test('answers are kept by client and host; a later probe adds to them; damage counts as none', async (t) => {
  const { state } = new Installation(t);
  const owner = { clientId: 'c', apiUrl: 'https://api.procore.com' };
  const facts = new ClientFacts(state, owner);
  facts.keep({ one: 'yes', two: 'no' }, new Date('2026-11-24T00:00:00Z'));
  facts.keep({ two: 'yes' }, new Date('2026-11-25T00:00:00Z'));
  const again = new ClientFacts(state, owner);
  t.strictSame([again.get('one'), again.get('two'), again.get('constructor')], ['yes', 'yes', undefined]);
  t.equal(again.answeredAt('one'), '2026-11-24T00:00:00.000Z');
  t.equal(new ClientFacts(state, { ...owner, clientId: 'd' }).get('one'), undefined);
  t.equal(new ClientFacts(state, { ...owner, apiUrl: 'https://sandbox.procore.com' }).get('one'), undefined);
  writeFileSync(again.path, '{"facts":3', { mode: 0o600 });
  t.equal(new ClientFacts(state, owner).get('one'), undefined);
});
