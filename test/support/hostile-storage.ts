import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { ContentVersion } from '#src/cache/source.js';
import { contentOf, versionOf } from './content-storage.js';

/** Bytes that are sent at once. */
const STEP = 65_536;
const HTML = '<!doctype html><html><body><h1>Sign in to the network</h1></body></html>\n';

/** What is asked for, and what an honest storage has to say about it. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly size: number;
  /** The range asked for; all of it where none was. */
  readonly start: number;
  readonly end: number;
  readonly isRanged: boolean;
  readonly etag: string;
  readonly random: () => number;
  readonly storage: HostileStorage;
  bytes(start: number, end: number): Buffer;
}

type Headers = OutgoingHttpHeaders;

const rangeHeaders = ({ start, end, size, etag }: Asked): Headers => ({
  'content-range': `bytes ${start}-${end - 1}/${size}`,
  'content-length': end - start,
  etag,
});

/** An honest reply, with other headers. */
async function range(asked: Asked, headers: Headers = {}, without: readonly string[] = []): Promise<void> {
  const all: Headers = { ...rangeHeaders(asked), ...headers };
  for (const name of without) delete all[name];
  asked.response.writeHead(206, all);
  await send(asked, asked.start, asked.end);
}

async function whole(asked: Asked, headers: Headers = {}, end = asked.size): Promise<void> {
  asked.response.writeHead(200, { etag: asked.etag, ...headers });
  await send(asked, 0, end);
}

async function send({ response, bytes }: Asked, start: number, end: number): Promise<void> {
  for (let at = start; at < end && !response.destroyed; at += STEP) {
    if (response.write(bytes(at, Math.min(end, at + STEP)))) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        response.off('drain', go);
        response.off('close', go);
        resolve();
      };
      response.on('drain', go);
      response.on('close', go);
    });
  }
  if (!response.destroyed) response.end();
}

const html = ({ response }: Asked, headers: Headers = {}): unknown =>
  response.writeHead(200, { 'content-type': 'text/html', ...headers }).end(HTML);

/** Bytes on the wire that Node would not send by itself. */
const raw = ({ response }: Asked, ...parts: readonly (string | Uint8Array)[]): void => {
  const { socket } = response;
  for (const part of parts) socket?.write(part);
  socket?.end();
};

const rawHead = (status: string, headers: readonly string[]): string =>
  `HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\n\r\n`;

const encoded = (coding: string, encode: (bytes: Uint8Array) => Buffer) => async (asked: Asked) => {
  const body = encode(asked.bytes(asked.start, asked.end));
  asked.response.writeHead(206, { ...rangeHeaders(asked), 'content-encoding': coding, 'content-length': body.length });
  asked.response.end(body);
};

/** After so many bytes of the body the connection breaks. */
const broken = (how: (response: ServerResponse) => void) => async (asked: Asked) => {
  asked.response.writeHead(206, rangeHeaders(asked));
  asked.response.flushHeaders();
  const sent = Math.floor(asked.random() * (asked.end - asked.start));
  if (sent > 0)
    await new Promise<void>((resolve) =>
      asked.response.write(asked.bytes(asked.start, asked.start + sent), () => resolve()),
    );
  how(asked.response);
};

/** Replies by what is wrong, or unusual, with them. */
export const KINDS = {
  // What a storage may do.
  range: (asked) => range(asked),
  'no etag': (asked) => range(asked, {}, ['etag']),
  'weak etag': (asked) => range(asked, { etag: `W/${asked.etag}` }),
  'unknown total': (asked) => range(asked, { 'content-range': `bytes ${asked.start}-${asked.end - 1}/*` }),
  'range without a length': (asked) => range(asked, {}, ['content-length']),
  'named identity': (asked) => range(asked, { 'content-encoding': 'identity' }),
  'ignores the range': (asked) => whole(asked, { 'content-length': asked.size }),
  'chunked whole': (asked) => whole(asked),
  'shorter range': async (asked) => {
    const end = asked.start + Math.max(1, Math.floor((asked.end - asked.start) / 2));
    await range({ ...asked, end });
  },
  'early hints': async (asked) => {
    asked.response.writeProcessing();
    await range(asked);
  },
  'jumping date': (asked) =>
    range(asked, { date: asked.random() < 0.5 ? 'Fri, 31 Dec 9999 23:59:59 GMT' : 'yesterday' }),
  redirect: (asked) => void asked.response.writeHead(302, { location: `${asked.request.url}?honest` }).end(),
  drip: async (asked) => {
    const { response, start, end } = asked;
    response.writeHead(206, rangeHeaders(asked));
    const step = Math.ceil((end - start) / 5);
    for (let at = start; at < end; at += step) {
      response.write(asked.bytes(at, Math.min(end, at + step)));
      await delay(2);
    }
    response.end();
  },

  // Codings.
  gzip: encoded('gzip', gzipSync),
  deflate: encoded('deflate', deflateSync),
  brotli: encoded('br', brotliCompressSync),
  'gzip of all': async ({ response, size, etag, bytes }) => {
    const body = gzipSync(bytes(0, size), { level: 1 });
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length, etag }).end(body);
  },
  'chunked gzip': async ({ response, size, etag, bytes }) =>
    void response.writeHead(200, { 'content-encoding': 'gzip', etag }).end(gzipSync(bytes(0, size), { level: 1 })),
  'chunked gzip of a range': async (asked) => {
    const { response, start, end, bytes } = asked;
    const { 'content-length': _, ...headers } = rangeHeaders(asked);
    response.writeHead(206, { ...headers, 'content-encoding': 'gzip' }).end(gzipSync(bytes(start, end)));
  },
  'named gzip, and is not': (asked) => range(asked, { 'content-encoding': 'x-gzip, identity' }),

  // Lengths.
  'chunked and short': (asked) => whole(asked, {}, asked.size - 1),
  'chunked and long': async (asked) => {
    asked.response.writeHead(200, { etag: asked.etag });
    asked.response.write(asked.bytes(0, asked.size));
    asked.response.end('!');
  },
  'ends early': broken((response) => response.socket?.end()),
  'long for its length': async (asked) => {
    const { start, end, bytes } = asked;
    const head = Object.entries(rangeHeaders(asked)).map(([name, value]) => `${name}: ${value}`);
    raw(asked, rawHead('206 Partial Content', head), bytes(start, end), 'and more');
  },
  'length of another range': (asked) => range(asked, { 'content-length': asked.end - asked.start + 7 }),
  'two lengths': (asked) => {
    const length = asked.end - asked.start;
    raw(asked, rawHead('206 Partial Content', [`content-length: ${length}`, `content-length: ${length + 1}`]), 'x');
  },
  'empty 200': ({ response }) => void response.writeHead(200, { 'content-length': 0 }).end(),
  'another size': (asked) => whole(asked, { 'content-length': asked.size - 1 }, asked.size - 1),

  // Ranges.
  'another start': (asked) => range({ ...asked, start: asked.start > 0 ? 0 : 1, end: Math.max(2, asked.end) }),
  'beyond the range': (asked) =>
    range(asked, { 'content-range': `bytes ${asked.start}-${asked.end + 5}/${asked.size}` }, ['content-length']),
  'no range': (asked) => range(asked, {}, ['content-range']),
  'another total': (asked) =>
    range(asked, { 'content-range': `bytes ${asked.start}-${asked.end - 1}/${asked.size + 1}` }),
  multipart: (asked) => range(asked, { 'content-type': 'multipart/byteranges; boundary=x' }, ['content-range']),
  'not satisfiable': ({ response, size }) => void response.writeHead(416, { 'content-range': `bytes */${size}` }).end(),

  // Somebody else answers.
  'html page': (asked) => html(asked, { 'content-length': HTML.length }),
  'chunked html page': (asked) => html(asked),
  'redirect to a page': ({ response }) => void response.writeHead(302, { location: '/sign-in' }).end(),
  'redirect in a circle': ({ response, request }) => void response.writeHead(307, { location: request.url }).end(),
  'redirect to nowhere': ({ response }) => void response.writeHead(301).end(),
  'not modified': ({ response }) => void response.writeHead(304).end(),
  'no content': ({ response }) => void response.writeHead(204).end(),
  refused: (asked) => asked.storage.refuse(asked.request, asked.response),
  unavailable: ({ response }) => void response.writeHead(503, { 'retry-after': '1' }).end('later'),

  // Other content.
  'etag of another': (asked) => range(asked, { etag: '"another"' }),
  'stale body': (asked) => asked.storage.former(asked),
  'changes for good': (asked) => asked.storage.change(asked),

  // The connection.
  'reset at once': ({ response }) => void response.socket?.resetAndDestroy(),
  'reset in the head': (asked) => raw(asked, 'HTTP/1.1 206 Partial Con'),
  'reset in the body': broken((response) => response.socket?.resetAndDestroy()),
  'twice the same': (asked) => {
    const { start, end, bytes } = asked;
    const head = Object.entries(rangeHeaders(asked)).map(([name, value]) => `${name}: ${value}`);
    const reply = [rawHead('206 Partial Content', head), bytes(start, end)];
    raw(asked, ...reply, ...reply);
  },
  'no HTTP': (asked) => raw(asked, '220 mail.example ESMTP\r\n'),
  silence: async ({ response }) => {
    await delay(3000, undefined, { ref: false });
    response.destroy();
  },
} satisfies Readonly<Record<string, (asked: Asked) => unknown>>;

export type Kind = keyof typeof KINDS;

/** Kinds that cost a second each. */
const SLOW: ReadonlySet<Kind> = new Set(['silence']);
/** After these the bytes of a version are others: versions of even ids. */
const CHANGING: ReadonlySet<Kind> = new Set(['changes for good', 'stale body']);
/** Of these nobody can tell which content they are: those that do not change, of odd ids. */
const UNTAGGED: ReadonlySet<Kind> = new Set(['no etag', 'weak etag', 'etag of another']);

/** Bytes of a version's n-th content. */
export const bodyOf = (id: number, n: number, start: number, end: number): Buffer =>
  contentOf(id + 1000 * n, start, end);

/** A storage on a real socket that answers in every way there is; which one, a seed says or the test. */
export class HostileStorage {
  /** Replies by kind. */
  readonly replies = new Map<Kind, number>();
  /** What the next replies are, before anything else. */
  readonly script: Kind[] = [];
  /** Headers of the requests. */
  readonly requests: IncomingMessage[] = [];
  /** Of the replies, so many are not honest. */
  hostility = 0;
  /** Every reply is a refusal. */
  isGone = false;
  /** URLs of which a reply said that they have expired. */
  refused = 0;
  readonly #server: Server;
  readonly #random: () => number;
  readonly #sizes = new Map<number, number>();
  readonly #bodies = new Map<number, number>();
  /** URLs that were refused. */
  readonly #expired = new Set<string>();
  readonly #kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => !SLOW.has(kind));

  private constructor(random: () => number) {
    this.#random = random;
    this.#server = createServer((request, response) => {
      this.requests.push(request);
      if (this.requests.length > 1000) this.requests.splice(0, 500);
      response.on('error', () => undefined);
      Promise.resolve(this.#answer(request, response)).catch(() => response.destroy());
    });
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  static async start(random: () => number): Promise<HostileStorage> {
    const storage = new HostileStorage(random);
    await new Promise<void>((resolve) => storage.#server.listen(0, '127.0.0.1', resolve));
    return storage;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  version(id: number, size: number): ContentVersion {
    this.#sizes.set(id, size);
    return versionOf(id, size);
  }

  /** The n-th URL of a version. */
  url(id: number, n: number): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${id}/${n}`;
  }

  get total(): number {
    return [...this.replies.values()].reduce((sum, n) => sum + n, 0);
  }

  /** Which content a version has now. */
  bodyNumber(id: number): number {
    return this.#bodies.get(id) ?? 0;
  }

  refuse(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#expired.has(request.url!)) this.refused++;
    this.#expired.add(request.url!);
    response.writeHead(403).end('expired');
  }

  /** As before the version changed, from somebody's cache. */
  former(asked: Asked): Promise<void> {
    const id = idOf(asked.request);
    return range(this.#with(asked, id, Math.max(0, this.bodyNumber(id) - 1)));
  }

  change(asked: Asked): Promise<void> {
    const id = idOf(asked.request);
    this.#bodies.set(id, this.bodyNumber(id) + 1);
    return range(this.#with(asked, id, this.bodyNumber(id)));
  }

  #with(asked: Asked, id: number, n: number): Asked {
    return { ...asked, etag: etagOf(id, n), bytes: (start, end) => bodyOf(id, n, start, end) };
  }

  #answer(request: IncomingMessage, response: ServerResponse): unknown {
    const { url = '' } = request;
    if (url === '/sign-in') return response.writeHead(200, { 'content-type': 'text/html' }).end(HTML);
    const id = idOf(request);
    const size = this.#sizes.get(id);
    if (size === undefined) return response.writeHead(404).end();
    if (this.isGone) return response.writeHead(503).end();
    if (this.#expired.has(url)) return response.writeHead(403).end('expired');
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const body = this.bodyNumber(id);
    const asked: Asked = {
      request,
      response,
      size,
      start: Number(match?.[1] ?? 0),
      end: match ? Math.min(size, Number(match[2]) + 1) : size,
      isRanged: match !== null,
      etag: etagOf(id, body),
      random: this.#random,
      storage: this,
      bytes: (start, end) => bodyOf(id, body, start, end),
    };
    const kind = url.endsWith('?honest') ? 'range' : this.#kind(id % 2 === 0);
    this.replies.set(kind, (this.replies.get(kind) ?? 0) + 1);
    const ifRange = request.headers['if-range'];
    // An honest storage sends all of what is not the content that somebody has a part of.
    if (kind === 'range' && (!match || (ifRange !== undefined && ifRange !== asked.etag)))
      return whole(asked, { 'content-length': size });
    return KINDS[kind](asked);
  }

  #kind(mayChange: boolean): Kind {
    const next = this.script.shift();
    if (next) return next;
    if (this.#random() >= this.hostility) return 'range';
    if (this.#random() < 0.002) return 'silence';
    const kind = this.#kinds[Math.floor(this.#random() * this.#kinds.length)]!;
    return (mayChange ? UNTAGGED : CHANGING).has(kind) ? 'range' : kind;
  }
}

const idOf = ({ url = '' }: IncomingMessage): number => Number(url.split('/')[1]);

const etagOf = (id: number, n: number): string => `"${id}-${n}"`;
