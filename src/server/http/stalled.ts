import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface StallLimits {
  /** Milliseconds between two looks. */
  readonly look: number;
  /** Milliseconds in which something of a reply must have gone out, counted in looks. */
  readonly limit: number;
}

/** One write may be a whole reply, and goes out over the slowest line that is still of use in this time. */
const LIMITS: StallLimits = { look: 10_000, limit: 60_000 };

/**
 * Sends clients away that do not read what they asked for: Node has limits for requests that come slowly, none for
 * replies that go slowly. A reply that is still being made is none of them. Looks are counted, not the time that the
 * clock shows: while this process stands still (a busy machine, one that slept), nobody could read.
 */
export function dropStalled(server: Server, { look, limit }: StallLimits = LIMITS): void {
  const seen = new Map<Socket, { sent: number; still: number }>();
  // Of a TLS connection the socket below knows nothing of what waits.
  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    seen.set(socket, { sent: 0, still: 0 });
    socket.once('close', () => seen.delete(socket));
  });
  const timer = setInterval(() => {
    for (const [socket, last] of seen) {
      const sent = socket.bytesWritten - socket.writableLength;
      last.still = socket.writableLength === 0 || sent !== last.sent ? 0 : last.still + look;
      last.sent = sent;
      if (last.still >= limit) socket.destroy();
    }
  }, look);
  timer.unref();
  server.once('close', () => clearInterval(timer));
}
