import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Agent, type Dispatcher, request } from 'undici';

const HTML = '<!doctype html><html><body><h1>Bad gateway</h1></body></html>\n';

/** A reply of the server behind, which is on its way to the product. */
interface Passing {
  readonly path: string;
  readonly response: ServerResponse;
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
  /** What came last for the same request, if anything did. */
  readonly former: Omit<Passing, 'former' | 'response' | 'random'> | undefined;
  readonly random: () => number;
}

const pass = ({ response, status, headers, body }: Passing, other: OutgoingHttpHeaders = {}, bytes = body): unknown =>
  response.writeHead(status, { ...headers, 'content-length': bytes.length, ...other }).end(bytes);

const text = ({ response }: Passing, status: number, body: string, type = 'application/json'): unknown =>
  response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);

/** Sends a part of the body, and does something to the connection. */
const broken = (how: (response: ServerResponse) => void) => async (passing: Passing) => {
  const { response, status, headers, body, random } = passing;
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.flushHeaders();
  const sent = body.subarray(0, Math.floor(random() * body.length));
  if (sent.length > 0) await new Promise<void>((resolve) => response.write(sent, () => resolve()));
  how(response);
};

const date = (value: string) => (passing: Passing) => pass(passing, { date: value });

/** What becomes of a reply. Of an account that is well formed and not true nobody can tell, so none is among them. */
export const API_KINDS = {
  honest: (passing) => pass(passing),
  'without a length': ({ response, status, headers, body }) => {
    const { 'content-length': _, ...rest } = headers;
    response.writeHead(status, rest).end(body);
  },
  drip: async ({ response, status, headers, body }) => {
    response.writeHead(status, { ...headers, 'content-length': body.length });
    for (let at = 0; at < body.length; at += Math.ceil(body.length / 4)) {
      response.write(body.subarray(at, at + Math.ceil(body.length / 4)));
      await delay(2);
    }
    response.end();
  },
  'former reply': (passing) => pass({ ...passing, ...passing.former }),
  'date of the future': date('Fri, 31 Dec 9999 23:59:59 GMT'),
  'date of tomorrow': (passing) => pass(passing, { date: new Date(Date.now() + 86_400_000).toUTCString() }),
  'date of the past': date('Sat, 01 Jan 2000 00:00:00 GMT'),
  'date that is none': date('yesterday, about noon'),
  'page of a proxy': (passing) => text(passing, 200, HTML, 'text/html'),
  'page named JSON': (passing) => text(passing, 200, HTML),
  'empty reply': (passing) => text(passing, 200, ''),
  null: (passing) => text(passing, 200, 'null'),
  'a text': (passing) => text(passing, 200, '"try again"'),
  'half of it': (passing) => pass(passing, {}, passing.body.subarray(0, passing.body.length >> 1)),
  'ends early': broken((response) => response.socket?.end()),
  'reset in the body': broken((response) => response.socket?.resetAndDestroy()),
  'reset at once': ({ response }) => void response.socket?.resetAndDestroy(),
  'reset in the head': ({ response }) => void response.socket?.end('HTTP/1.1 200 O'),
  'no HTTP': ({ response }) => void response.socket?.end('220 mail.example ESMTP\r\n'),
  'gzip that is none': (passing) => pass(passing, { 'content-encoding': 'gzip' }, Buffer.from(HTML)),
  'gzip cut off': (passing) => pass(passing, { 'content-encoding': 'gzip' }, gzipSync(passing.body).subarray(0, -5)),
  'not modified': ({ response }) => void response.writeHead(304).end(),
  'no content': ({ response }) => void response.writeHead(204).end(),
  'redirect to a page': ({ response }) => void response.writeHead(302, { location: '/sign-in' }).end(),
  'bad gateway': (passing) => text(passing, 502, HTML, 'text/html'),
  'server error': (passing) => text(passing, 500, '{"errors":"?"}'),
} satisfies Readonly<Record<string, (passing: Passing) => unknown>>;

export type ApiKind = keyof typeof API_KINDS;

/** Of these the same request must be made again. */
const COSTS_NOTHING: ReadonlySet<ApiKind> = new Set([
  'honest',
  'without a length',
  'drip',
  'former reply',
  'date of the future',
  'date of tomorrow',
  'date of the past',
  'date that is none',
]);

/** Stands between the product and the API, and changes replies on their way, by a seed. */
export class HostileApi {
  readonly replies = new Map<ApiKind, number>();
  /** Of the replies to questions, so many are not what the server sent. */
  hostility = 0;
  readonly #server: Server;
  readonly #agent = new Agent();
  readonly #former = new Map<string, Omit<Passing, 'former' | 'response' | 'random'>>();
  readonly #kinds = (Object.keys(API_KINDS) as ApiKind[]).slice(1);

  private constructor(target: string, random: () => number) {
    this.#server = createServer((incoming, response) => {
      response.on('error', () => undefined);
      this.#forward(target, random, incoming, response).catch(() => response.destroy());
    });
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  static async start(target: string, random: () => number): Promise<HostileApi> {
    const api = new HostileApi(target, random);
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get total(): number {
    return [...this.replies.values()].reduce((sum, n) => sum + n, 0);
  }

  /** Replies that were of no use. */
  get lost(): number {
    return [...this.replies].reduce((sum, [kind, n]) => sum + (COSTS_NOTHING.has(kind) ? 0 : n), 0);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#agent.destroy();
  }

  async #forward(
    target: string,
    random: () => number,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const path = incoming.url ?? '/';
    if (path === '/sign-in') return void response.writeHead(200, { 'content-type': 'text/html' }).end(HTML);
    const { host: _, connection: __, ...headers } = incoming.headers;
    const method = incoming.method as Dispatcher.HttpMethod;
    const sent = await buffer(incoming);
    const reply = await request(target + path, {
      dispatcher: this.#agent,
      method,
      headers,
      body: sent.length > 0 ? sent : null,
    });
    const { connection: ___, 'keep-alive': ____, 'transfer-encoding': _____, ...kept } = reply.headers;
    const body = Buffer.from(await reply.body.arrayBuffer());
    const now = { path, status: reply.statusCode, headers: kept as OutgoingHttpHeaders, body };
    const isQuestion = method === 'GET' && reply.statusCode === 200;
    const isHostile = isQuestion && random() < this.hostility;
    const kind = isHostile ? this.#kinds[Math.floor(random() * this.#kinds.length)]! : 'honest';
    this.replies.set(kind, (this.replies.get(kind) ?? 0) + 1);
    const former = this.#former.get(path);
    if (isQuestion) this.#former.set(path, now);
    await API_KINDS[kind]({ ...now, response, former, random });
  }
}
