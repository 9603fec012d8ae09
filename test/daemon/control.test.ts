import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLog } from '#src/base/log.js';
import { askDaemon, type ControlMethods, ControlServer } from '#src/daemon/control.js';

async function serving(t: Test, methods: ControlMethods): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-control-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'control.sock');
  const server = await ControlServer.open(path, { ...methods, ask: async () => 'here' }, silentLog);
  t.teardown(() => server.close());
  return path;
}

async function connected(path: string): Promise<Socket> {
  const socket = createConnection(path);
  await once(socket, 'connect');
  return socket;
}

const request = (method: string): string => `${JSON.stringify({ method, parameters: {} })}\n`;

t.test('who leaves while the answer is on its way does not end the daemon', async (t) => {
  let leave = (): void => undefined;
  const path = await serving(t, { slow: async () => leave() });
  for (let round = 0; round < 20; round++) {
    const client = await connected(path);
    leave = () => void client.destroy();
    client.write(request('slow'));
    await once(client, 'close');
    t.equal(await askDaemon(path, 'ask'), 'here');
  }
});

t.test('half a request, none, and one that never ends are no requests', async (t) => {
  const path = await serving(t, {});
  for (const part of ['', '{"method":"as', '{"method":"ask"}']) {
    const client = await connected(path);
    client.end(part);
    client.resume();
    await once(client, 'close');
    t.equal(await askDaemon(path, 'ask'), 'here', JSON.stringify(part));
  }
  const endless = await connected(path);
  endless.on('error', () => undefined);
  const closed = new Promise((resolve) => endless.once('close', resolve));
  const part = 'x'.repeat(1 << 20);
  let sent = 0;
  const send = (): void => {
    while (!endless.destroyed && sent++ < 64) if (!endless.write(part)) return void endless.once('drain', send);
  };
  send();
  await closed;
  t.ok(sent < 64, 'it is cut off before all has been sent');
  t.equal(await askDaemon(path, 'ask'), 'here');
});

t.test('a request arrives whole, however it is cut into parts', async (t) => {
  const given: unknown[] = [];
  const path = await serving(t, { keep: async (parameters) => void given.push(parameters) });
  const parameters = { name: 'Ünïcödé 🏗', long: 'y'.repeat(300_000) };
  const bytes = Buffer.from(`${JSON.stringify({ method: 'keep', parameters })}\n`);
  const client = await connected(path);
  for (let at = 0; at < bytes.length; at += 70_001) {
    client.write(bytes.subarray(at, at + 70_001));
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.resume();
  await once(client, 'close');
  t.same(given, [parameters]);
  await t.rejects(askDaemon(path, 'none'), { code: 'usage' });
});

t.test('a folder where the socket belongs is named', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'procorefs-control-')), 'control.sock');
  t.teardown(() => rmSync(join(path, '..'), { recursive: true }));
  mkdirSync(path);
  await t.rejects(ControlServer.open(path, {}, silentLog), { code: 'state-unwritable', details: { path } });
});
