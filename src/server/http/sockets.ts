import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { clientAddress } from '../access/address.js';

export interface SocketLimits {
  /** Of one client. */
  readonly most: number;
  /** Of one that speaks for many, such as a proxy. */
  readonly mostForMany: number;
  readonly isForMany: (address: string | undefined) => boolean;
  /** Milliseconds in which a new socket must have sent something. */
  readonly silent: number;
}

/** Milliseconds between two looks. */
const CHECK_INTERVAL_MS = 500;

/** Keeps one client from taking all sockets: what it opens beyond its part is closed, and so is what says nothing. */
export function limitSockets(server: Server, { most, mostForMany, isForMany, silent }: SocketLimits): void {
  const open = new Map<string, number>();
  const fresh = new Map<Socket, number>();
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    // On a unix socket there is no address, and nobody but its owner.
    if (remoteAddress === undefined) return;
    const client = clientAddress(remoteAddress);
    const count = (open.get(client) ?? 0) + 1;
    if (count > (isForMany(remoteAddress) ? mostForMany : most)) {
      socket.destroy();
      return;
    }
    open.set(client, count);
    fresh.set(socket, 0);
    socket.once('close', () => {
      fresh.delete(socket);
      const left = (open.get(client) ?? 1) - 1;
      if (left > 0) open.set(client, left);
      else open.delete(client);
    });
  });
  // Looks are counted, not the time of the clock: while this process stands still, it hears nobody.
  const timer = setInterval(() => {
    for (const [socket, waited] of fresh) {
      if (socket.bytesRead > 0) fresh.delete(socket);
      else if (waited >= silent) socket.destroy();
      else fresh.set(socket, waited + CHECK_INTERVAL_MS);
    }
  }, CHECK_INTERVAL_MS);
  timer.unref();
  server.once('close', () => clearInterval(timer));
}
