import type { Agent } from 'undici';
import { type Clock, systemClock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { redactUrl } from '../base/secret.js';
import type { TokenSource } from '../connections/token-source.js';
import { type Incoming, receiveFrom } from './incoming.js';
import { Reachability, wasNotSent } from './transport/reachability.js';
import { storageAgent } from './transport/storage-agent.js';

export interface DownloadRequest {
  /** A version's URL, from a listing. */
  readonly url: string;
  /** First byte; default 0. */
  readonly start?: number;
  /** The byte after the last one; default: the version's end. */
  readonly end?: number;
  /** The strong entity tag that the other bytes of the version came with; if the content differs, it is sent whole. */
  readonly etag?: string | undefined;
  readonly signal?: AbortSignal;
  /** Names the file in messages. */
  readonly label?: string;
}

export interface Download {
  /**
   * `whole`: the storage ignored the range and sends the version from byte 0; the caller skips to the bytes it needs,
   * or stops.
   */
  readonly status: 'range' | 'whole';
  /** Offset of the body's first byte in the version: `start`, or 0 for `whole`. */
  readonly start: number;
  /** Bytes of the whole version, if the storage reports them. */
  readonly total: number | undefined;
  /** Only a strong entity tag: a weak one does not prove that bytes are the same. */
  readonly etag: string | undefined;
  /**
   * Exactly the announced bytes, or a Failure `download-failed` at the end. Leaving the loop early closes the
   * connection; so does the signal.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Discards the body and closes the connection. */
  close(): void;
}

export interface StorageOptions {
  /**
   * Hosts that may receive the token besides *.procore.com over https: the connection's API and login host,
   * `host[:port]`.
   */
  readonly trustedHosts: readonly string[];
  readonly tokens: TokenSource;
  /** Parallel requests to one storage host; default 48. */
  readonly connections?: number;
  /** Milliseconds without a byte after which a download fails; default 12,000. */
  readonly idleTimeout?: number;
  readonly clock?: Clock;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MOST_HOPS = 5;
/**
 * Milliseconds. The kernel requests the bytes twice before a program gets an error: together that stays below half a
 * minute.
 */
const IDLE_MS = 12_000;

/**
 * Downloads from the storage hosts. These requests do not count against the API's budget. Nothing is retried here: the
 * caller knows which bytes arrived, and which version they must belong to.
 */
export class Storage {
  readonly #options: StorageOptions;
  readonly #agent: Agent;
  readonly #reachability: Reachability;

  constructor(options: StorageOptions) {
    this.#options = options;
    this.#reachability = new Reachability(options.clock ?? systemClock);
    this.#agent = storageAgent(options.connections ?? 48, options.idleTimeout ?? IDLE_MS);
  }

  /**
   * Opens a download; the promise settles with the reply's head.
   * @throws Failure `url-expired` (get a fresh URL), `version-gone`, `content-encoded`, `download-failed`,
   * `unreachable`, or the token's
   */
  async download(request: DownloadRequest): Promise<Download> {
    const label = request.label ?? redactUrl(request.url);
    let url = parseUrl(request.url, label);
    let mayAuthorize = true;
    for (let hop = 0; hop <= MOST_HOPS; hop++) {
      const reply = await this.#get(url, request, mayAuthorize, label);
      if (!REDIRECTS.has(reply.statusCode)) return receive(reply, request, label);
      const next = parseUrl(new URL(String(reply.headers.location ?? ''), url).href, label);
      await discard(reply);
      // A redirect to another host loses the token, also if a later one leads back.
      if (next.host !== url.host || next.protocol !== url.protocol) mayAuthorize = false;
      url = next;
    }
    throw new Failure('download-failed', { path: label, why: `more than ${MOST_HOPS} redirects` });
  }

  async close(): Promise<void> {
    this.#reachability.close();
    await this.#agent.destroy();
  }

  async #get(url: URL, request: DownloadRequest, mayAuthorize: boolean, label: string) {
    const authorize = mayAuthorize && this.#isTrusted(url);
    const token = authorize ? await this.#options.tokens.token(request.signal) : undefined;
    const reply = await this.#send(url, request, token, label);
    if (reply.statusCode !== 401 || !token) return reply;
    await discard(reply);
    this.#options.tokens.invalidate(token);
    return this.#send(url, request, await this.#options.tokens.token(request.signal), label);
  }

  async #send(url: URL, request: DownloadRequest, token: Secret | undefined, label: string) {
    const range = rangeOf(request);
    this.#reachability.check(url.origin);
    try {
      const headers = {
        'user-agent': 'procorefs',
        'accept-encoding': 'identity',
        ...(range ? { range } : {}),
        ...(range && request.etag !== undefined ? { 'if-range': request.etag } : {}),
        ...(token ? { authorization: `Bearer ${token.reveal()}` } : {}),
      };
      const path = `${url.pathname}${url.search}`;
      return await receiveFrom(this.#agent, { origin: url.origin, path, method: 'GET', headers }, request.signal);
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      if (wasNotSent(error)) {
        this.#reachability.failed(url.origin, error);
        throw new Failure('unreachable', { host: url.host }, error);
      }
      throw new Failure('download-failed', { path: label }, error);
    }
  }

  #isTrusted(url: URL): boolean {
    if (this.#options.trustedHosts.includes(url.host)) return true;
    return url.protocol === 'https:' && url.port === '' && /(^|\.)procore\.com$/.test(url.hostname);
  }
}

function parseUrl(text: string, label: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // Falls through to the failure, which does not quote the text: it may be a secret.
  }
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  throw new Failure('download-failed', { path: label, why: 'its URL is not an http(s) URL' });
}

/** The `Range` header; undefined requests everything. */
function rangeOf({ start = 0, end }: DownloadRequest): string | undefined {
  if (end !== undefined) return `bytes=${start}-${end - 1}`;
  return start > 0 ? `bytes=${start}-` : undefined;
}

// Reading a short body to its end keeps the connection; for a long one the connection is closed.
const discard = (reply: Incoming): Promise<void> => reply.body.dump(64 * 1024);

async function receive(reply: Incoming, request: DownloadRequest, label: string): Promise<Download> {
  const { statusCode: status, headers } = reply;
  const fail = async (failure: Failure): Promise<never> => {
    await discard(reply);
    throw failure;
  };
  if (status === 401 || status === 403) return fail(new Failure('url-expired', { path: label, status }));
  if (status === 404 || status === 410) return fail(new Failure('version-gone', { path: label, status }));
  if (status !== 200 && status !== 206)
    return fail(new Failure('download-failed', { path: label, status, why: `it answered ${status}` }));

  const coding = codingOf(headers['content-encoding']);
  if (coding !== undefined) return fail(new Failure('content-encoded', { path: label, coding }));
  const etag = strongTag(headers.etag);
  const close = (): void => reply.body.close();
  const length = wholeNumber(headers['content-length']);
  if (status === 200) {
    const body = chunks(reply, length, request, label);
    return { status: 'whole', start: 0, total: length, etag, body, close };
  }
  const start = request.start ?? 0;
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(headers['content-range'] ?? ''));
  if (!range || Number(range[1]) !== start || (request.end !== undefined && Number(range[2]) >= request.end))
    return fail(new Failure('download-failed', { path: label, why: 'it sent another range than the one asked for' }));
  const bytes = Number(range[2]) + 1 - start;
  if (length !== undefined && length !== bytes)
    return fail(new Failure('download-failed', { path: label, why: 'its range and its length do not fit together' }));
  const body = chunks(reply, bytes, request, label);
  return { status: 'range', start, total: wholeNumber(range[3]), etag, body, close };
}

/** A content coding of the reply, with which length and offsets of the file are unknown. */
function codingOf(header: string | string[] | undefined): string | undefined {
  const codings = String(header ?? '').split(',');
  return codings.map((coding) => coding.trim()).find((coding) => coding !== '' && coding.toLowerCase() !== 'identity');
}

/** RFC 9110, 8.8.3; a tag too long to be stored for every file is ignored. */
const strongTag = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && /^"[\x21\x23-\x7e]{0,254}"$/.test(header) ? header : undefined;

function wholeNumber(text: string | string[] | undefined): number | undefined {
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The body's chunks, checked against the announced length. */
async function* chunks(
  reply: Incoming,
  expected: number | undefined,
  request: DownloadRequest,
  label: string,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of reply.body) {
      received += chunk.length;
      if (expected !== undefined && received > expected) break;
      yield chunk;
    }
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason;
    if (isFailure(error)) throw error;
    throw new Failure('download-failed', { path: label }, error);
  } finally {
    reply.body.close();
  }
  if (expected !== undefined && received !== expected)
    throw new Failure('download-failed', { path: label, why: `${received} of ${expected} bytes arrived` });
}
