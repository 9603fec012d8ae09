import type { IncomingMessage, ServerResponse } from 'node:http';

const MOST = 64 * 1024 * 1024;

/** The whole body; rejects when it is larger than 64 MiB or the connection breaks. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Writes the chunks of `source` with backpressure. Resolves with the number of bytes written, which is smaller than the
 * total if the client closed the connection.
 */
export async function pump(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
  response: ServerResponse,
  wrote: (bytes: number) => void,
): Promise<void> {
  for await (const chunk of source) {
    if (response.destroyed) return;
    wrote(chunk.length);
    if (!response.write(chunk)) await drained(response);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}
