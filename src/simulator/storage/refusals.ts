import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../world.js';

/** An error of the storage, as S3 spells it. */
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

/** Latency and the faults of every storage request; true if the request has been answered by one. */
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
