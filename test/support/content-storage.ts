import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { Failure } from '#src/base/errors.js';
import { asRemoteId, asVersionId } from '#src/base/ids.js';
import type { ContentSource, ContentStream, ContentVersion } from '#src/cache/source.js';

const TABLE = 1_048_573;
const table = ((): Buffer => {
  const bytes = Buffer.allocUnsafe(TABLE);
  let state = 0x2545f491;
  for (let at = 0; at < TABLE; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
})();

/** Bytes [start, end) of the version `id`: the same always, different from version to version and place to place. */
export function contentOf(id: number, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  for (let at = 0; at < bytes.length; ) {
    const from = (id * 104_729 + start + at) % TABLE;
    at += table.copy(bytes, at, from, Math.min(TABLE, from + bytes.length - at));
  }
  return bytes;
}

export function versionOf(id: number, size: number): ContentVersion {
  return { id: asVersionId(id), remoteId: asRemoteId(id + 1_000_000), size, label: `folder/file-${id}` };
}

/** What the storage does wrong; all off at first. */
export interface Faults {
  /** Milliseconds before each reply. */
  latency: number;
  /** The connection breaks after so many bytes of a reply. */
  truncate: number;
  /** So many further replies are truncated. */
  truncations: number;
  /** Added to the size that the storage tells and has. */
  lie: number;
  /** No Content-Range, no Content-Length: the size shows only at the end. */
  silent: boolean;
  ignoreRange: boolean;
  /** Status of every reply. */
  refuse: number | undefined;
  /** Milliseconds after each 64 KiB of a reply: each connection is slow, all together are not. */
  pace: number;
  /** Replies stop in their middle until this is lifted. */
  stall: boolean;
}

export interface HttpSource extends ContentSource {
  close(): Promise<void>;
}

/** A source that asks a real storage, as a client does that believes nothing. */
export function sourceOf(
  urlOf: (version: ContentVersion) => string,
  walk: () => readonly ContentVersion[],
): HttpSource {
  const dispatcher = new Agent({ connections: 128, pipelining: 1 });
  const places = new Map<number, number>();
  let placed: readonly ContentVersion[] = [];
  return {
    close: () => dispatcher.destroy(),
    following: (version, limit) => {
      if (placed !== walk()) {
        placed = walk();
        places.clear();
        for (const [at, { id }] of placed.entries()) places.set(id, at);
      }
      const at = places.get(version.id);
      return at === undefined ? [] : placed.slice(at + 1, at + 1 + limit);
    },
    fetch: (version, start, end, signal) => fetchRange(dispatcher, urlOf(version), version, start, end, signal),
  };
}

async function fetchRange(
  dispatcher: Agent,
  url: string,
  version: ContentVersion,
  start: number,
  end: number,
  signal: AbortSignal,
): Promise<ContentStream> {
  const headers = { range: `bytes=${start}-${end - 1}` };
  const reply = await request(url, { dispatcher, headers, signal });
  const { statusCode, body } = reply;
  if (statusCode === 206) {
    const total = /\/(\d+)$/.exec(String(reply.headers['content-range'] ?? ''))?.[1];
    return { total: total === undefined ? undefined : Number(total), chunks: body };
  }
  if (statusCode === 200) {
    const length = reply.headers['content-length'];
    return { total: length === undefined ? undefined : Number(length), from: 0, chunks: body };
  }
  await body.dump();
  if (statusCode === 404) throw new Failure('version-gone', { path: version.label });
  throw new Failure('server-error', { host: 'storage', call: 'GET', status: statusCode });
}

/** A storage with signed-URL manners, on a real socket, and a source that reads from it. */
export class Storage {
  readonly faults: Faults = {
    latency: 0,
    truncate: 0,
    truncations: 0,
    lie: 0,
    silent: false,
    ignoreRange: false,
    refuse: undefined,
    pace: 0,
    stall: false,
  };
  /** Body bytes handed to sockets. */
  sent = 0;
  /** Ranges asked for. */
  readonly requests: { readonly id: number; readonly start: number; readonly end: number }[] = [];
  /** Replies under way, and the most there were. */
  active = 0;
  peak = 0;
  readonly #server: Server;
  readonly #source = sourceOf(
    (version) => this.url(version),
    () => this.walk,
  );
  readonly #versions = new Map<number, number>();
  /** In the order of a walk. */
  walk: readonly ContentVersion[] = [];

  private constructor() {
    this.#server = createServer((req, res) => {
      this.#answer(req, res).catch(() => res.destroy());
    });
  }

  static async start(): Promise<Storage> {
    const storage = new Storage();
    await new Promise<void>((resolve) => storage.#server.listen(0, '127.0.0.1', resolve));
    return storage;
  }

  version(id: number, size: number): ContentVersion {
    this.#versions.set(id, size);
    return versionOf(id, size);
  }

  url(version: ContentVersion): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${version.id}`;
  }

  get source(): ContentSource {
    return this.#source;
  }

  async stop(): Promise<void> {
    await this.#source.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { faults } = this;
    this.peak = Math.max(this.peak, ++this.active);
    res.once('close', () => this.active--);
    const id = Number(req.url!.slice(1));
    const real = this.#versions.get(id);
    const range = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '');
    this.requests.push({ id, start: Number(range?.[1] ?? 0), end: Number(range?.[2] ?? -1) + 1 });
    if (faults.latency > 0) await delay(faults.latency);
    const status = real === undefined ? 404 : faults.refuse;
    if (status !== undefined || real === undefined) {
      res.writeHead(status ?? 404).end('refused');
      return;
    }
    const size = real + faults.lie;
    const ranged = range && !faults.ignoreRange;
    const start = ranged ? Number(range[1]) : 0;
    const end = ranged ? Math.min(Number(range[2]) + 1, size) : size;
    res.writeHead(ranged ? 206 : 200, {
      ...(faults.silent ? {} : { 'content-length': Math.max(0, end - start) }),
      ...(ranged && !faults.silent ? { 'content-range': `bytes ${start}-${end - 1}/${size}` } : {}),
    });
    await this.#send(res, id, start, end);
  }

  async #send(res: ServerResponse, id: number, start: number, end: number): Promise<void> {
    const { faults } = this;
    const breaks = faults.truncations > 0 ? start + faults.truncate : Number.POSITIVE_INFINITY;
    if (breaks < end) faults.truncations--;
    for (let at = start; at < end; ) {
      while (faults.stall && at > start && !res.destroyed) await delay(5);
      if (faults.pace > 0) await delay(faults.pace);
      if (res.destroyed) return;
      const to = Math.min(end, breaks, at + 65_536);
      const bytes = contentOf(id, at, to);
      this.sent += bytes.length;
      at = to;
      if (!res.write(bytes))
        await new Promise<void>((resolve) => {
          const go = (): void => {
            res.off('drain', go);
            res.off('close', go);
            resolve();
          };
          res.on('drain', go);
          res.on('close', go);
        });
      if (at >= breaks) {
        res.destroy();
        return;
      }
    }
    res.end();
  }
}

/** A folder for one test; removed by the second function. */
export function temporaryFolder(): [string, () => void] {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-content-'));
  return [folder, () => rmSync(folder, { recursive: true, force: true })];
}

/** Resolves once `condition` holds; rejects after 20 s. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (const until = Date.now() + 20_000; !condition(); await delay(5))
    if (Date.now() > until) throw new Error(`waited in vain: ${what}`);
}
