import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../world.js';

/** Sends an error of the storage in the format of S3. */
export function refuse(world: World, response: ServerResponse, status: number, code: string, text: string): void {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${text}</Message></Error>`;
  response.sendDate = false;
  response.writeHead(status, {
    'Content-Type': 'application/xml',
    'Content-Length': Buffer.byteLength(xml),
    Date: new Date(world.clock.now()).toUTCString(),
    Server: 'AmazonS3',
  });
  response.end(xml);
}

/** Applies the latency and faults of every storage request; returns true if a fault has answered the request. */
export async function storageFaults(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  route: string,
): Promise<boolean> {
  await world.delay(world.faults.hit('slow', 'storage', route));
  if (world.faults.hit('reset-before', 'storage', route)) {
    request.socket.resetAndDestroy();
    return true;
  }
  const busy = world.faults.hit('503-retry-after', 'storage', route);
  if (!busy) return false;
  request.resume();
  response.setHeader('Retry-After', String(busy.retry_after ?? 1));
  refuse(world, response, 503, 'SlowDown', 'Please reduce your request rate.');
  return true;
}
