import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import t, { type Test as T } from 'tap';
import { AddressList } from '#src/base/addresses.js';
import { systemClock } from '#src/base/clock.js';
import { silentLog } from '#src/base/log.js';
import { AuditLog } from '#src/server/access/audit.js';
import { openServerDatabase } from '#src/server/access/database.js';
import { AccessGuard } from '#src/server/access/guard.js';
import { Tokens } from '#src/server/access/tokens.js';
import { serveEvents } from '#src/server/events/routes.js';
import { openApp } from '#src/server/http/app.js';
import { dropStalled } from '#src/server/http/stalled.js';
import type { ServiceParts } from '#src/server/parts.js';
import { certificate } from '../support/certificate.js';

const CHUNK = Buffer.alloc(256 * 1024);
const CHUNKS = 128;

/** The port of a server from which clients that do not read are sent away. */
async function watched(t: T, server: Server): Promise<number> {
  dropStalled(server, { look: 50, limit: 500 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

t.test(
  'a client that does not read its reply is sent away; one that reads, or waits for its reply, is not',
  async (t) => {
    const ended: string[] = [];
    const server = createServer((request, reply) => {
      reply.once('close', () => ended.push(`${request.url} ${reply.writableFinished ? 'finished' : 'cut'}`));
      if (request.url === '/slow-to-make') setTimeout(() => reply.end('made'), 1500);
      else Readable.from(Array.from({ length: CHUNKS }, () => CHUNK)).pipe(reply);
    });
    const port = await watched(t, server);
    const ask = (path: string) => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      );
      socket.on('error', () => undefined);
      t.teardown(() => socket.destroy());
      return socket;
    };
    const deaf = ask('/deaf');
    deaf.pause();
    const reading = ask('/reading');
    let bytes = 0;
    const read = new Promise<void>((resolve) => {
      reading.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      reading.once('close', () => resolve());
    });
    const waiting = ask('/slow-to-make');
    let text = '';
    const answered = new Promise<void>((resolve) => {
      waiting.on('data', (chunk) => (text += chunk)).once('close', () => resolve());
    });
    await read;
    t.ok(bytes > CHUNK.length * CHUNKS, 'the one that reads has all');
    await answered;
    t.match(text, /made$/, 'the one that waits has its reply');
    while (!ended.some((one) => one.startsWith('/deaf'))) await sleep(20);
    t.ok(ended.includes('/deaf cut'), 'the deaf one is gone');
    t.ok(ended.includes('/reading finished'));
  },
);

t.test('so is one that speaks TLS', async (t) => {
  const { cert, key } = certificate(t.testdir(), 'here');
  let ended = '';
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_, reply) => {
    reply.once('close', () => {
      ended = reply.writableFinished ? 'finished' : 'cut';
    });
    Readable.from(Array.from({ length: CHUNKS }, () => CHUNK)).pipe(reply);
  });
  const port = await watched(t, server);
  const deaf = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
    deaf.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  );
  deaf.on('error', () => undefined).pause();
  t.teardown(() => deaf.destroy());
  for (let n = 0; n < 1500 && ended === ''; n++) await sleep(20);
  t.equal(ended, 'cut');
});

function appFor(t: { testdir(): string; teardown(cleanup: () => unknown): unknown }) {
  const database = openServerDatabase(t.testdir());
  t.teardown(() => database.close());
  const guard = new AccessGuard(new Tokens(database), { name: 'owner', role: 'manage' });
  const app = openApp({
    ...{ guard, clock: systemClock, log: silentLog, audit: new AuditLog(database) },
    ...{ hosts: undefined, proxies: new AddressList([]), tls: undefined },
  });
  return { app, guard };
}

t.test(
  'who is told that a request came too late has no socket any more, whether it closes its side or not',
  async (t) => {
    const { app } = appFor(t);
    await app.listen({ host: '127.0.0.1', port: 0 });
    t.teardown(() => app.close());
    const { port } = app.server.address() as AddressInfo;
    const half = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => half.write('GET / HTTP/1.1\r\nHo'));
    t.teardown(() => half.destroy());
    let text = '';
    half.on('data', (chunk) => (text += chunk)).on('error', () => undefined);
    await new Promise((resolve) => half.once('end', resolve));
    t.match(text, /^HTTP\/1\.1 408 /);
    const open = (): Promise<number> =>
      new Promise((resolve) => app.server.getConnections((_, count) => resolve(count)));
    for (let n = 0; n < 1500 && (await open()) > 0; n++) await sleep(20);
    t.equal(await open(), 0);
  },
);

t.test('a watcher that stops reading is sent away when it is megabytes behind; others go on', async (t) => {
  const { app, guard } = appFor(t);
  const ending = new AbortController();
  let looks = 0;
  const parts = {
    mounts: { status: async () => [{ mountpoint: `/${looks++}`, state: 'x'.repeat(6 * 1024 * 1024) }] },
    log: silentLog,
    ending: ending.signal,
  } as unknown as ServiceParts;
  serveEvents(app, parts, guard);
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    ending.abort();
    await app.close();
  });
  const { port } = app.server.address() as AddressInfo;
  const watch = () => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /v1/events?topics=mounts HTTP/1.1\r\nHost: x\r\n\r\n'),
    );
    socket.on('error', () => undefined);
    t.teardown(() => socket.destroy());
    return socket;
  };
  const open = (): Promise<number> =>
    new Promise((resolve, reject) =>
      app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  watch().pause();
  let bytes = 0;
  watch().on('data', (chunk) => (bytes += chunk.length));
  while ((await open()) < 2) await sleep(10);
  while ((await open()) > 1) await sleep(50);
  const then = bytes;
  while (bytes < then + 6 * 1024 * 1024) await sleep(50);
  t.equal(await open(), 1, 'who reads stays, and is told of the next change');
});
