import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../world.js';
import { download } from './download.js';
import { receive } from './receive.js';

/** Serves the storage host: signed URLs for downloads and uploads. */
export async function serveStorage(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', world.origins.storage);
  if (url.pathname.startsWith('/upload/')) await receive(world, request, response, url);
  else await download(world, request, response, url);
}
