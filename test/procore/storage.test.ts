import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { Storage } from '#src/procore/storage.js';
import { CountedTokens, fakeServer } from '../support/net-server.js';

const content = Buffer.from('0123456789abcdefghij');

function serve(response: ServerResponse, range: string | undefined): void {
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (!match) return void response.writeHead(200, { 'content-length': content.length, etag: '"e"' }).end(content);
  const start = Number(match[1]);
  const end = match[2] ? Number(match[2]) : content.length - 1;
  const part = content.subarray(start, end + 1);
  const headers = { 'content-range': `bytes ${start}-${end}/20`, 'content-length': part.length, etag: '"e"' };
  response.writeHead(206, headers).end(part);
}

function storage(t: Test, trustedHosts: string[] = []): Storage {
  const opened = new Storage({ trustedHosts, tokens: new CountedTokens(), idleTimeout: 500 });
  t.teardown(() => opened.close());
  return opened;
}

async function read(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

t.test('a range arrives as asked, with the total', async (t) => {
  const server = await fakeServer(t, (request, response) => serve(response, request.headers.range));
  const some = await storage(t).download({ url: `${server.url}/f?sig=1`, start: 5, end: 8 });
  t.match(some, { status: 'range', start: 5, total: 20, etag: '"e"' });
  t.equal(await read(some.body), '567');
  const rest = await storage(t).download({ url: `${server.url}/f`, start: 17 });
  t.equal(await read(rest.body), 'hij');
  const all = await storage(t).download({ url: `${server.url}/f` });
  t.match(all, { status: 'whole', start: 0, total: 20 });
  t.equal(await read(all.body), content.toString());
  t.equal(server.requests[0]?.headers.authorization, undefined, 'no token to a host that is not trusted');
});

t.test('a storage that ignores the range says so', async (t) => {
  const server = await fakeServer(t, (_, response) => serve(response, undefined));
  const reply = await storage(t).download({ url: server.url, start: 5, end: 8 });
  t.match(reply, { status: 'whole', start: 0, total: 20 });
  for await (const chunk of reply.body) {
    t.equal(Buffer.from(chunk.subarray(5, 8)).toString(), '567');
    break;
  }
});

t.test('the token goes to trusted hosts, and along no redirect to another one', async (t) => {
  const other = await fakeServer(t, (request, response) => {
    if (request.url === '/back') return void response.writeHead(302, { location: `${trusted.url}/end` }).end();
    serve(response, request.headers.range);
  });
  const trusted = await fakeServer(t, (request, response) => {
    if (request.url === '/same') return void response.writeHead(307, { location: '/end' }).end();
    if (request.url === '/away') return void response.writeHead(303, { location: `${other.url}/f` }).end();
    if (request.url === '/round') return void response.writeHead(301, { location: `${other.url}/back` }).end();
    serve(response, request.headers.range);
  });
  const at = storage(t, [trusted.host]);
  const tokens = (server: typeof other) => server.requests.splice(0).map((request) => request.headers.authorization);

  t.equal(await read((await at.download({ url: `${trusted.url}/same`, start: 1, end: 3 })).body), '12');
  t.strictSame(tokens(trusted), ['Bearer t1', 'Bearer t1']);
  t.equal(await read((await at.download({ url: `${trusted.url}/away`, start: 1, end: 3 })).body), '12');
  t.strictSame([tokens(trusted), tokens(other)], [['Bearer t1'], [undefined]]);
  await at.download({ url: `${trusted.url}/round` });
  t.strictSame([tokens(trusted), tokens(other)], [['Bearer t1', undefined], [undefined]]);
});

t.test('redirects end after five hops', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    const n = Number(request.url?.slice(1));
    if (n === 0) return serve(response, request.headers.range);
    response.writeHead(302, { location: `/${n - 1}` }).end();
  });
  t.equal(await read((await storage(t).download({ url: `${server.url}/5` })).body), content.toString());
  await t.rejects(storage(t).download({ url: `${server.url}/6` }), { code: 'download-failed' });
});

t.test('each refusal is told from the others', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    response.writeHead(Number(request.url?.slice(1, 4)), { location: 'ftp://x/' }).end('no');
  });
  const at = storage(t);
  for (const [status, code] of [
    [401, 'url-expired'],
    [403, 'url-expired'],
    [404, 'version-gone'],
    [410, 'version-gone'],
    [416, 'download-failed'],
    [500, 'download-failed'],
    [302, 'download-failed'],
  ] as const) {
    await t.rejects(at.download({ url: `${server.url}/${status}?sig=hidden`, label: 'a.pdf' }), { code }, `${status}`);
  }
  await t.rejects(at.download({ url: 'http://127.0.0.1:9/x' }), { code: 'unreachable' });
  await t.rejects(at.download({ url: 'not a url' }), { code: 'download-failed' });
  const failure = await at.download({ url: `${server.url}/500?sig=hidden` }).catch((error: Error) => error);
  t.notMatch(JSON.stringify([failure, (failure as Error).stack]), /hidden/);
});

t.test('a trusted host that refuses the token gets a new one', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    if (request.headers.authorization !== 'Bearer t2') return void response.writeHead(401).end();
    serve(response, request.headers.range);
  });
  const reply = await storage(t, [server.host]).download({ url: server.url });
  t.equal(await read(reply.body), content.toString());
});

t.test('a body that breaks off, stalls or lies about its range fails', async (t) => {
  const broken: Record<string, (response: ServerResponse) => void> = {
    '/cut': (response) => {
      response.writeHead(200, { 'content-length': 20 }).write('01234');
      setTimeout(() => response.socket?.destroy(), 20);
    },
    '/stall': (response) => void response.writeHead(200, { 'content-length': 20 }).write('01234'),
    '/short': (response) => void response.writeHead(206, { 'content-range': 'bytes 0-9/20' }).end('01234'),
    '/other': (response) => void response.writeHead(206, { 'content-range': 'bytes 1-4/20' }).end('1234'),
  };
  const server = await fakeServer(t, (request, response) => broken[request.url ?? '']?.(response));
  for (const path of Object.keys(broken)) {
    const reading = storage(t)
      .download({ url: `${server.url}${path}`, end: 10 })
      .then((reply) => read(reply.body));
    await t.rejects(reading, { code: 'download-failed' }, path);
  }
});

t.test('the signal ends a download, before and in its middle', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    if (request.url === '/body') response.writeHead(200, { 'content-length': 20 }).write('01234');
  });
  await t.rejects(storage(t).download({ url: server.url, signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  const signal = AbortSignal.timeout(100);
  const reply = await storage(t).download({ url: `${server.url}/body`, signal });
  await t.rejects(read(reply.body), { name: 'TimeoutError' });
});
