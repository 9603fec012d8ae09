import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface StallLimits {
  /** Milliseconds between two looks. */
  readonly look: number;
  /** Milliseconds in which something of a reply must have gone out. */
  readonly limit: number;
}

/** One write may be a whole reply, and goes out over the slowest line that is still of use in this time. */
const LIMITS: StallLimits = { look: 10_000, limit: 60_000 };

/**
 * Sends clients away that do not read what they asked for: Node has limits for requests that come slowly, none for
 * replies that go slowly. A reply that is still being made is none of them.
 */
export function dropStalled(server: Server, { look, limit }: StallLimits = LIMITS): void {
  const seen = new Map<Socket, { sent: number; since: number }>();
  server.on('connection', (socket: Socket) => {
    seen.set(socket, { sent: 0, since: Date.now() });
    socket.once('close', () => seen.delete(socket));
  });
  const timer = setInterval(() => {
    const now = Date.now();
    for (const [socket, last] of seen) {
      const sent = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength === 0 || sent !== last.sent) {
        last.sent = sent;
        last.since = now;
      } else if (now - last.since >= limit) socket.destroy();
    }
  }, look);
  timer.unref();
  server.once('close', () => clearInterval(timer));
}
