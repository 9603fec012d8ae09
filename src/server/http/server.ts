import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressList, LOOPBACK } from '../../base/addresses.js';
import { limitSockets } from './sockets.js';
import { dropStalled } from './stalled.js';
import type { TlsPair } from './tls.js';

/** Time limits in milliseconds: for the head of a request, for the whole request, and for an idle connection. */
const HEAD_LIMIT_MS = 10_000;
const REQUEST_LIMIT = 12_000;
const IDLE_LIMIT = 15_000;
/** Milliseconds within which a new connection must send a byte and complete the TLS handshake. */
const SILENT_LIMIT_MS = 5000;
const HANDSHAKE_LIMIT = 10_000;
const MOST_CONNECTIONS = 1000;
/** Maximum sockets of one client, and of this machine or a trusted proxy; some remain for other clients. */
const MOST_OF_ONE = 100;
const MOST_FOR_MANY = 900;
export const HEAD_BYTES = 16 * 1024;

/** A server whose sockets one client cannot exhaust. */
export function openServer(listener: RequestListener, proxies: AddressList, tls: TlsPair | undefined): Server {
  const options: ServerOptions = {
    headersTimeout: HEAD_LIMIT_MS,
    requestTimeout: REQUEST_LIMIT,
    keepAliveTimeout: IDLE_LIMIT,
    maxHeaderSize: HEAD_BYTES,
    connectionsCheckingInterval: 2000,
  };
  const server = tls
    ? createTlsServer({ ...options, ...tls, handshakeTimeout: HANDSHAKE_LIMIT }, listener)
    : createServer(options, listener);
  server.timeout = 0;
  server.maxConnections = MOST_CONNECTIONS;
  limitSockets(server, {
    most: MOST_OF_ONE,
    mostForMany: MOST_FOR_MANY,
    isForMany: (address) => LOOPBACK.has(address) || proxies.has(address),
    silent: SILENT_LIMIT_MS,
  });
  dropStalled(server);
  return server;
}
