import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errnoOf, Failure } from '../../base/errors.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};
/** Smaller files grow by compression; images as well. */
const SMALLEST = 512;
const COMPRESSES = /^(text|application|image\/svg)/;

interface PageFile {
  readonly type: string;
  readonly etag: string;
  readonly plain: Buffer;
  readonly gzip: Buffer | undefined;
  readonly br: Buffer | undefined;
}

/** All files of the page by path: read and compressed once, so that no request accesses the disk. */
export function readPageFiles(folder: string): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  const visit = (below: string): void => {
    for (const name of readdirSync(join(folder, below))) {
      const path = below === '' ? name : `${below}/${name}`;
      if (statSync(join(folder, path)).isDirectory()) visit(path);
      else if (TYPES[extname(name)] !== undefined) files.set(path, pageFile(readFileSync(join(folder, path)), name));
    }
  };
  try {
    visit('');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return files;
}

function pageFile(plain: Buffer, name: string): PageFile {
  const type = TYPES[extname(name)]!;
  const compresses = plain.length >= SMALLEST && COMPRESSES.test(type);
  return {
    type,
    etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 24)}"`,
    plain,
    gzip: compresses ? gzipSync(plain, { level: 9 }) : undefined,
    br: compresses ? brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }) : undefined,
  };
}

/**
 * The page at `/`, its files at `/page/…`. Paths are looked up in the map as they are: no path leads out of the folder.
 */
export function servePage(app: FastifyInstance, files: ReadonlyMap<string, PageFile>): void {
  const send = (path: string, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const file = files.get(path);
    if (!file) throw new Failure('no-such-address', { path: request.url.split('?')[0]! });
    reply.headers({ etag: file.etag, 'cache-control': 'no-cache', vary: 'accept-encoding' });
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
    const accepted = String(request.headers['accept-encoding'] ?? '')
      .split(',')
      .map((word) => word.trim().split(';')[0]);
    for (const encoding of ['br', 'gzip'] as const) {
      const body = accepted.includes(encoding) ? file[encoding] : undefined;
      if (body) return reply.type(file.type).header('content-encoding', encoding).send(body);
    }
    return reply.type(file.type).send(file.plain);
  };
  app.get('/', (request, reply) => send('index.html', request, reply));
  app.get('/page/*', (request, reply) => send((request.params as { '*': string })['*'], request, reply));
}
