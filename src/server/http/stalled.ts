import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { every, systemClock } from '../../base/clock.js';

export interface StallLimits {
  /** Milliseconds between two checks. */
  readonly look: number;
  /** Milliseconds within which a part of a reply must have been sent, counted in checks. */
  readonly limit: number;
}

/** One write may be a whole reply, and must be sent within this time over the slowest usable line. */
const LIMITS: StallLimits = { look: 10_000, limit: 60_000 };

/**
 * Closes connections of clients that do not read their reply: Node limits the time of slow requests, not that of slow
 * replies. Replies that are still being prepared are not affected. Checks are counted instead of clock time: while this
 * process is suspended (a busy or sleeping machine), no client could read.
 */
export function dropStalled(server: Server, { look, limit }: StallLimits = LIMITS, clock = systemClock): void {
  const seen = new Map<Socket, { sent: number; still: number }>();
  // For TLS, the underlying socket does not show how much data waits.
  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    seen.set(socket, { sent: 0, still: 0 });
    socket.once('close', () => seen.delete(socket));
  });
  const end = every(clock, look, () => {
    for (const [socket, last] of seen) {
      const sent = socket.bytesWritten - socket.writableLength;
      last.still = socket.writableLength === 0 || sent !== last.sent ? 0 : last.still + look;
      last.sent = sent;
      if (last.still >= limit) socket.destroy();
    }
  });
  server.once('close', end);
}
