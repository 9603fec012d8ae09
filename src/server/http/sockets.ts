import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { every, systemClock } from '../../base/clock.js';
import { clientAddress } from '../access/address.js';

export interface SocketLimits {
  /** Sockets of one client. */
  readonly most: number;
  /** Sockets of a client that forwards requests of many, such as a proxy. */
  readonly mostForMany: number;
  readonly isForMany: (address: string | undefined) => boolean;
  /** Milliseconds within which a new socket must have sent a byte. */
  readonly silent: number;
}

/** Milliseconds between two checks. */
const CHECK_INTERVAL_MS = 500;

/** Prevents one client from taking all sockets: those above its limit are closed, and so are silent ones. */
export function limitSockets(
  server: Server,
  { most, mostForMany, isForMany, silent }: SocketLimits,
  clock = systemClock,
): void {
  const open = new Map<string, number>();
  const fresh = new Map<Socket, number>();
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    // A unix socket has no address, and only its owner can connect.
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
  // Checks are counted instead of clock time: while this process is suspended, it receives nothing.
  const end = every(clock, CHECK_INTERVAL_MS, () => {
    for (const [socket, waited] of fresh) {
      if (socket.bytesRead > 0) fresh.delete(socket);
      else if (waited >= silent) socket.destroy();
      else fresh.set(socket, waited + CHECK_INTERVAL_MS);
    }
  });
  server.once('close', end);
}
