import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openLog } from '#src/base/log.js';
import { type MountRecord, StateFolder } from '#src/daemon/state-folder.js';

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
