import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** `down`: connections are refused; `silent`: they are accepted, but never answered. */
export type Network = 'up' | 'down' | 'silent';

export interface Listener {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  set(network: Network): Promise<void>;
  close(): Promise<void>;
}

/** Serves on loopback; port 0 takes any. An error of the handler closes the connection and is passed to `failed`. */
export async function listen(port: number, handler: HttpHandler, failed: (error: unknown) => void): Promise<Listener> {
  let network: Network = 'up';
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, (request, response) => {
    if (network === 'silent') return;
    handler(request, response).catch((error: unknown) => {
      // The client closed the connection: not an error of the handler.
      if (request.socket.destroyed) return;
      request.socket.destroy();
      failed(error);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const own = (server.address() as AddressInfo).port;
  return {
    origin: `http://127.0.0.1:${own}`,
    async set(wanted) {
      if (network !== 'down') server.closeAllConnections();
      if (wanted === 'down' && server.listening) await close(server);
      if (wanted !== 'down' && !server.listening) await once(server.listen(own, '127.0.0.1'), 'listening');
      network = wanted;
    },
    close: () => close(server),
  };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
