import { Agent } from 'undici';

/** For the storage hosts. @param idle milliseconds without a byte after which a request fails */
export const storageAgent = (connections: number, idle: number): Agent =>
  new Agent({
    connections,
    connect: { timeout: 10_000 },
    headersTimeout: idle,
    bodyTimeout: idle,
    keepAliveTimeout: 20_000,
  });
