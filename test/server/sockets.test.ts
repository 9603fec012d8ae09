import { createServer, get } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { limitSockets, type SocketLimits } from '#src/server/http/sockets.js';
import { Guarded } from '../support/access.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

function open(t: Teardown, port: number, localAddress: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  return socket;
}

/** How many of the sockets are still open, once there are no more than so many. */
async function left(sockets: readonly Socket[], most: number): Promise<number> {
  const count = () => sockets.filter((socket) => !socket.closed && !socket.readableEnded).length;
  for (let n = 0; n < 600 && count() > most; n++) await sleep(100);
  return count();
}

async function limited(t: Teardown, limits: SocketLimits): Promise<number> {
  const server = createServer((_, reply) => reply.end('here'));
  limitSockets(server, limits);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const asks = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk)).once('close', () => resolve(text));
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  });

const isForMany = (address: string | undefined): boolean => address === '127.0.0.9';

t.test('one client has so many sockets, and others are let in', async (t) => {
  const port = await limited(t, { most: 5, mostForMany: 20, isForMany, silent: 3600_000 });
  const first = open(t, port, '127.0.0.1');
  await new Promise((resolve) => first.once('connect', resolve));
  const idle = Array.from({ length: 50 }, () => open(t, port, '127.0.0.1'));
  const proxied = Array.from({ length: 30 }, () => open(t, port, '127.0.0.9'));
  t.equal(await left([...idle, first], 5), 5, 'the rest is closed at once');
  t.equal(await left(proxied, 20), 20, 'a proxy speaks for many');
  t.match(await asks(first), /here$/, 'who was there before goes on');
  t.match(await asks(open(t, port, '127.0.0.2')), /here$/, 'and so does another client');
  t.match(await asks(open(t, port, '127.0.0.1')), /here$/, 'and one more in place of the first');
});

t.test('a socket that says nothing is closed, and leaves room', async (t) => {
  const port = await limited(t, { most: 5, mostForMany: 20, isForMany, silent: 500 });
  const idle = Array.from({ length: 20 }, () => open(t, port, '127.0.0.1'));
  t.equal(await left(idle, 0), 0);
  t.match(await asks(open(t, port, '127.0.0.1')), /here$/);
});

t.test('a thousand sockets of this machine leave some for others', async (t) => {
  const service = await Guarded.start(t, { ann: 'manage' }, {}, '0.0.0.0:0');
  const port = Number(new URL(service.http).port);
  const idle = Array.from({ length: 1000 }, () => open(t, port, '127.0.0.1'));
  await new Promise((resolve) => idle.at(-1)!.once('connect', resolve).once('close', resolve));
  const status = await new Promise<number>((resolve, reject) => {
    const options = { host: '127.0.0.1', port, localAddress: '127.0.0.2', path: '/v1/session', agent: false };
    get(options, (reply) => resolve(reply.statusCode ?? 0)).once('error', reject);
  });
  t.equal(status, 401, 'the service answers');
  t.equal(await left(idle, 0), 0, 'those that ask nothing are closed');
});
