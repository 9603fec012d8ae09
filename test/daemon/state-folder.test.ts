import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readConfiguration } from '#src/base/configuration.js';
import { openLog } from '#src/base/log.js';
import { type MountRecord, StateFolder } from '#src/project/state-folder.js';

const folder = mkdtempSync(join(tmpdir(), 'procorefs-state-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const state = new StateFolder(folder);

const record: MountRecord = {
  mountpoint: '/mnt/one',
  source: 'Procore:1',
  pid: process.pid,
  since: Date.now(),
  socket: '/none',
  log: '/none',
};

t.test('records that are broken, empty or something else are no mounts, and hide none', (t) => {
  state.writeMount(record);
  const broken = ['', '{', '{}', 'null', '[]', '"text"', '{"mountpoint":"/mnt/x"}', '\0\0\0\0'];
  for (const [n, text] of broken.entries()) writeFileSync(join(folder, 'mounts', `${n}.json`), text);
  writeFileSync(join(folder, 'mounts', 'pid.json'), JSON.stringify({ ...record, pid: -1 }));
  mkdirSync(join(folder, 'mounts', 'folder.json'));
  t.strictSame(state.mounts(), [record]);
  t.strictSame(state.mount(record.mountpoint), record);
  t.end();
});

t.test('a log that cannot be opened is named', (t) => {
  const path = state.log('serve');
  mkdirSync(path);
  t.throws(() => openLog('info', path), { code: 'state-unwritable', details: { path } });
  t.end();
});

const NOBODY = 65_534;
const skip = process.getuid?.() === 0 ? false : 'needs root: it gives files to another user';

t.test('a folder that is not there is made for its user alone', (t) => {
  const path = join(folder, 'a/b');
  new StateFolder(path);
  t.equal(statSync(path).mode & 0o777, 0o700);
  t.equal(statSync(join(folder, 'a')).mode & 0o777, 0o700);
  t.end();
});

t.test('a folder that others may enter is refused, and left as it is', (t) => {
  for (const mode of [0o755, 0o770, 0o701, 0o1777]) {
    const path = mkdtempSync(join(folder, 'open-'));
    chmodSync(path, mode);
    t.throws(() => new StateFolder(path), { code: 'state-unsafe', details: { path } });
    t.equal(statSync(path).mode & 0o7777, mode);
  }
  const path = mkdtempSync(join(folder, 'within-'));
  new StateFolder(path);
  chmodSync(join(path, 'clients'), 0o777);
  t.throws(() => new StateFolder(path), { code: 'state-unsafe', details: { path: join(path, 'clients') } });
  t.end();
});

t.test('a folder of another user is refused, also to root, and by a link of another user', { skip }, (t) => {
  const path = mkdtempSync(join(folder, 'foreign-'));
  chownSync(path, NOBODY, NOBODY);
  t.throws(() => new StateFolder(path), { code: 'state-foreign', message: /belongs to another user \(uid 65534\)/ });
  chownSync(path, 0, 0);
  new StateFolder(path);
  for (const name of ['jobs', 'connections']) {
    mkdirSync(join(path, name), { mode: 0o700 });
    chownSync(join(path, name), NOBODY, NOBODY);
    t.throws(() => new StateFolder(path), { code: 'state-foreign', details: { path: join(path, name) } });
    rmSync(join(path, name), { recursive: true });
  }
  const link = join(folder, 'link');
  symlinkSync(path, link);
  new StateFolder(link);
  chownSync(path, NOBODY, NOBODY);
  t.throws(() => new StateFolder(link), { code: 'state-foreign', details: { path: link, owner: NOBODY } });
  chownSync(path, 0, 0);
  lchownSync(link, NOBODY, NOBODY);
  t.throws(() => new StateFolder(link), { code: 'state-foreign', details: { path: link } });
  t.end();
});

t.test('a configuration that others may write is refused', (t) => {
  const path = join(mkdtempSync(join(folder, 'configured-')), 'config.json');
  writeFileSync(path, '{"notify":{"command":"id"}}', { mode: 0o644 });
  t.match(readConfiguration(path), { notify: { command: 'id' } });
  for (const mode of [0o664, 0o646]) {
    chmodSync(path, mode);
    t.throws(() => readConfiguration(path), { code: 'state-unsafe', details: { path } });
  }
  t.end();
});

t.test('a configuration elsewhere is not readable by others when it holds an address', (t) => {
  const elsewhere = join(mkdtempSync(join(folder, 'elsewhere-')), 'config.json');
  const path = join(mkdtempSync(join(folder, 'configured-')), 'config.json');
  symlinkSync(elsewhere, path);
  writeFileSync(elsewhere, '{"mounts":[]}', { mode: 0o644 });
  t.strictSame(readConfiguration(path), { mounts: [] });
  writeFileSync(elsewhere, '{"notify":{"url":"https://hooks.example/T0/secret"}}');
  t.throws(() => readConfiguration(path), { code: 'state-unsafe', details: { path } });
  chmodSync(elsewhere, 0o600);
  t.match(readConfiguration(path), { notify: {} });
  t.end();
});

t.test('a configuration of another user is refused', { skip }, (t) => {
  const path = join(mkdtempSync(join(folder, 'configured-')), 'config.json');
  writeFileSync(path, '{"notify":{"command":"id"}}', { mode: 0o600 });
  chownSync(path, NOBODY, NOBODY);
  t.throws(() => readConfiguration(path), { code: 'state-foreign', details: { path, owner: NOBODY } });
  t.end();
});
