import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The simulator's login and API at one address, as a person who types a domain has it. */
export async function oneHost(
  t: { teardown(cleanup: () => unknown): unknown },
  { api, login }: { readonly api: string; readonly login: string },
): Promise<string> {
  const server = createServer((request, response) => {
    const url = new URL(request.url!, request.url!.startsWith('/oauth') ? login : api);
    const { host: _, ...headers } = request.headers;
    const onward = forward(url, { method: request.method!, headers, agent: false }, (reply) => {
      response.writeHead(reply.statusCode!, reply.headers);
      reply.pipe(response);
    });
    onward.once('error', () => request.socket.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
