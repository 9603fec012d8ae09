import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isFailure } from '#src/base/errors.js';
import { Secret } from '#src/base/secret.js';
import { Connections, type NewConnection } from '#src/connections/store.js';
import { scratch } from '../support/net-server.js';

const fields: NewConnection = {
  apiUrl: 'https://api.procore.com',
  loginUrl: 'https://login.procore.com',
  clientId: 'client',
  grant: 'client-credentials',
};
const secret = new Secret('s3cr3t');
const needsRoot = process.getuid?.() === 0 ? false : 'needs root: it mounts a small tmpfs';

t.test('a connection is kept in private files, its secret apart', async (t) => {
  const state = join(scratch(t), 'state');
  const store = new Connections(state);
  t.strictSame(store.all(), []);
  const first = store.add(fields, secret);
  const second = store.add(fields, secret);
  t.strictSame([first.name, second.name], ['Procore', 'Procore 2']);
  t.throws(() => store.add({ ...fields, name: 'Procore' }, secret), { code: 'connection-exists' });
  t.throws(() => store.add({ ...fields, name: 'a:b' }, secret), { code: 'usage' });

  t.equal(statSync(state).mode & 0o777, 0o700);
  for (const folder of ['connections', 'secrets']) {
    t.equal(statSync(join(state, folder)).mode & 0o777, 0o700, folder);
    for (const file of readdirSync(join(state, folder)))
      t.equal(statSync(join(state, folder, file)).mode & 0o777, 0o600, file);
  }
  for (const file of readdirSync(join(state, 'connections')))
    t.notMatch(readFileSync(join(state, 'connections', file), 'utf8'), /s3cr3t/);
  t.equal(store.secrets.clientSecret(first.id)?.reveal(), 's3cr3t');

  t.strictSame(store.get('Procore'), first);
  t.strictSame(store.get(first.id), first);
  store.update(first.id, { name: 'Main', projects: [{ id: 1, name: 'P', company: 2 }] });
  t.match(new Connections(state).get('Main'), { id: first.id, projects: [{ id: 1 }] });
  t.throws(() => store.update(first.id, { name: 'Procore 2' }), { code: 'connection-exists' });

  store.remove('Main');
  t.equal(store.secrets.clientSecret(first.id), undefined);
  t.throws(() => store.get('Main'), { code: 'no-such-connection' });
});

t.test('keys that a newer program wrote survive an update', async (t) => {
  const store = new Connections(scratch(t));
  const { id } = store.add(fields, secret);
  store.update(id, { later: { deep: 1 } } as never);
  store.update(id, { name: 'Other' });
  t.match(store.get(id), { later: { deep: 1 }, name: 'Other' });
});

t.test('secrets that others may read are refused', async (t) => {
  const state = scratch(t);
  const store = new Connections(state);
  const { id } = store.add(fields, secret);
  chmodSync(join(state, 'secrets', `${id}.secret`), 0o640);
  t.throws(() => store.secrets.clientSecret(id), { code: 'state-unsafe', message: /0640/ });
  chmodSync(join(state, 'connections', `${id}.json`), 0o644);
  t.throws(() => store.all(), { code: 'state-unsafe' });
});

t.test('a missing connection says where it may be', async (t) => {
  const home = scratch(t);
  const elsewhere = join(home, 'procorefs');
  new Connections(elsewhere).add({ ...fields, name: 'Site' }, secret);
  const before = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = home;
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
  });
  const store = new Connections(scratch(t));
  const remedy = (name: string): string => {
    try {
      store.get(name);
      return '';
    } catch (error) {
      return isFailure(error, 'no-such-connection') ? error.remedy : String(error);
    }
  };
  t.match(remedy('Site'), elsewhere);
  t.match(remedy('None'), /connections add/);
  store.add({ ...fields, name: 'Here' }, secret);
  t.match(remedy('None'), /"Here"/);
});

t.test('a file that is damaged is named; one that is being written is not seen', async (t) => {
  const state = scratch(t);
  const store = new Connections(state);
  store.add(fields, secret);
  writeFileSync(join(state, 'connections', '.x.tmp'), '{', { mode: 0o600 });
  t.equal(store.all().length, 1);
  writeFileSync(join(state, 'connections', 'bad.json'), '{', { mode: 0o600 });
  t.throws(() => store.all(), { code: 'connection-damaged', message: /bad\.json/ });
});

t.test('a client secret may be a systemd credential', async (t) => {
  const credentials = scratch(t);
  mkdirSync(credentials, { recursive: true });
  writeFileSync(join(credentials, 'procorefs.secret'), 'from systemd\n');
  const before = process.env.CREDENTIALS_DIRECTORY;
  process.env.CREDENTIALS_DIRECTORY = credentials;
  t.teardown(() => {
    if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY;
    else process.env.CREDENTIALS_DIRECTORY = before;
  });
  const state = scratch(t);
  const store = new Connections(state);
  const { id } = store.add(fields, undefined);
  t.equal(store.secrets.clientSecret(id)?.reveal(), 'from systemd');
  t.notOk(existsSync(join(state, 'secrets', `${id}.secret`)));
});

t.test('a state folder that cannot be written is named', async (t) => {
  const file = join(scratch(t), 'file');
  writeFileSync(file, '');
  t.throws(() => new Connections(join(file, 'state')).add(fields, secret), { code: 'state-unwritable' });
});

t.test('a secret that the disk takes only a part of is refused, and the old one stays', { skip: needsRoot }, (t) => {
  const state = scratch(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', state]);
  t.teardown(() => execFileSync('umount', ['-l', state]));
  const store = new Connections(state);
  const { id } = store.add(fields, secret);
  const filler = openSync(join(state, 'filler'), 'w');
  t.throws(() => {
    for (;;) writeSync(filler, Buffer.alloc(4096));
  }, /ENOSPC/);
  // Room for one page.
  ftruncateSync(filler, fstatSync(filler).size - 4096);
  closeSync(filler);
  t.throws(() => store.secrets.setClientSecret(id, new Secret('x'.repeat(6000))), { code: 'state-unwritable' });
  t.equal(store.secrets.clientSecret(id)?.reveal(), 's3cr3t');
  t.end();
});

t.test('secret options that are damaged are named', async (t) => {
  const state = scratch(t);
  const { secrets } = new Connections(state);
  secrets.setOptions('one', { key: secret });
  const file = join(state, 'secrets', 'one.options');
  for (const text of ['', '{', '[]', '{"key":1}']) {
    writeFileSync(file, text);
    t.throws(() => secrets.options('one'), { code: 'connection-damaged', message: /one\.options/ }, text);
  }
});
