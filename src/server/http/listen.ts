import { chmodSync, rmSync } from 'node:fs';
import { connect, isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { errnoOf, Failure } from '../../base/errors.js';

/** Where the service listens: a unix socket that only its owner can open, or a network address. */
export type ListenAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'address'; readonly host: string; readonly port: number };

/** `HOST:PORT`, `[::1]:PORT`, `:PORT`. @throws Failure `usage` */
export function parseListen(text: string): ListenAddress & { kind: 'address' } {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]/\s]*):(\d{1,5})$/i.exec(text.trim());
  const port = Number(match?.[2]);
  if (!match || port > 65_535)
    throw new Failure('usage', { what: `"${text}" is no address such as 127.0.0.1:9090 or [::1]:9090` });
  const host = match[1]!.replace(/^\[|\]$/g, '');
  return { kind: 'address', host: host === '' || host === '*' ? '0.0.0.0' : host, port };
}

/** Starts to listen; returns the URL or the path of the socket. @throws Failure `listen-refused` */
export async function listenAt(app: FastifyInstance, place: ListenAddress, scheme: 'http' | 'https'): Promise<string> {
  const where = place.kind === 'socket' ? place.path : `${place.host}:${place.port}`;
  try {
    if (place.kind === 'socket') {
      await clearStale(place.path);
      await app.listen({ path: place.path });
      chmodSync(place.path, 0o600);
      return place.path;
    }
    // One server with its limits, instead of one for each address of the name.
    await app.listen({ host: place.host === 'localhost' ? '127.0.0.1' : place.host, port: place.port });
    const bound = app.server.address();
    const port = typeof bound === 'object' && bound ? bound.port : place.port;
    return `${scheme}://${isIP(place.host) === 6 ? `[${place.host}]` : place.host}:${port}`;
  } catch (error) {
    throw error instanceof Failure ? error : new Failure('listen-refused', { listen: where }, error);
  }
}

/** Removes the socket of a killed process, on which nothing listens. @throws Failure `listen-refused` */
async function clearStale(path: string): Promise<void> {
  const code = await new Promise<string | undefined>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve(errnoOf(error) ?? 'unknown'));
  });
  if (code === undefined) throw new Failure('listen-refused', { listen: path, why: 'another process answers there' });
  if (code === 'ECONNREFUSED') rmSync(path, { force: true });
}
