import { randomBytes } from 'node:crypto';
import type { Agent, Dispatcher } from 'undici';
import { pauseAfter } from '../base/backoff.js';
import { type Bandwidth, BandwidthLimiter } from '../base/bandwidth.js';
import type { Clock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import { redactUrl } from '../base/secret.js';
import { oneLine } from '../base/text.js';
import { wasNotSent } from './transport/reachability.js';
import { storageAgent } from './transport/storage-agent.js';

/** Content to be sent: created anew for each attempt. */
export interface OutgoingBody {
  /** Bytes. */
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface UploadStorageOptions {
  readonly clock: Clock;
  /** Bandwidth limit of uploads; default: none. */
  readonly bandwidth?: Bandwidth | undefined;
  /** Parallel requests to one storage host; default 8. */
  readonly connections?: number;
  /** Milliseconds without a byte sent or received after which an attempt fails; default 60,000. */
  readonly idleTimeout?: number;
}

interface Sending {
  /** Names the file in messages. */
  readonly label: string;
  readonly signal: AbortSignal | undefined;
}

const ATTEMPTS = 5;
/** Pauses between attempts, and the longest that the server may ask for, milliseconds. */
const RETRY = { first: 500, jitter: 0.5 };
const LONGEST_WAIT_MS = 30_000;
/** Milliseconds without a byte; the timer restarts whenever the socket takes more of the body. */
const IDLE_MS = 60_000;
/** Transient S3 errors whose status does not show that: the bytes did not arrive as they were sent. */
const PASSING = /^(BadDigest|RequestTimeout|IncompleteBody|XAmzContentSHA256Mismatch|SlowDown|InternalError)$/;
/** Headers that this program or the connection sets, whatever the announcement contains. */
const OWN_HEADERS = new Set(['authorization', 'host', 'connection', 'transfer-encoding', 'content-length', 'cookie']);

/**
 * Sends bytes to the storage hosts. These requests do not count against the API's budget, carry no token, and can be
 * repeated: only the completion of the upload decides what it contains.
 */
export class UploadStorage {
  readonly #clock: Clock;
  readonly #bandwidth: BandwidthLimiter | undefined;
  /** Aborts uploads that have no signal of their own. */
  readonly #closing = new AbortController();
  readonly #agent: Agent;
  #isClosed = false;

  constructor(options: UploadStorageOptions) {
    this.#clock = options.clock;
    this.#bandwidth = options.bandwidth && new BandwidthLimiter(options.bandwidth, options.clock);
    this.#agent = storageAgent(options.connections ?? 8, options.idleTimeout ?? IDLE_MS);
  }

  /**
   * Sends one segment; returns the ETag from the storage, without quotation marks.
   * @throws Failure `upload-failed` (details `status`), `unreachable`, or what the body throws
   */
  async put(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: OutgoingBody,
    sending: Sending,
  ): Promise<string> {
    const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
    const all = {
      ...Object.fromEntries(own.filter(([name]) => !OWN_HEADERS.has(name))),
      'content-type': 'application/octet-stream',
    };
    const etag = (await this.#send('PUT', url, all, body, sending)).etag;
    if (typeof etag === 'string' && etag !== '') return etag.replace(/^W\//, '').replaceAll('"', '');
    throw new Failure('upload-failed', { what: sending.label, why: 'the storage gave no ETag' });
  }

  /** Sends a whole file as a form: all fields, then the file. @throws as `put` */
  async postForm(
    url: string,
    fields: Readonly<Record<string, string>>,
    file: OutgoingBody,
    sending: Sending,
  ): Promise<void> {
    const boundary = `procorefs-${randomBytes(18).toString('hex')}`;
    const parts = Object.entries(fields).map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`,
    );
    parts.push(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n`,
      'Content-Type: application/octet-stream\r\n\r\n',
    );
    const head = Buffer.from(parts.join(''));
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
    const body: OutgoingBody = {
      size: head.length + file.size + tail.length,
      async *open() {
        yield head;
        yield* file.open();
        yield tail;
      },
    };
    await this.#send('POST', url, { 'content-type': `multipart/form-data; boundary=${boundary}` }, body, sending);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closing.abort(new Failure('interrupted'));
    await this.#agent.destroy();
  }

  #paced(body: OutgoingBody, signal = this.#closing.signal): OutgoingBody {
    const limiter = this.#bandwidth;
    return limiter ? { size: body.size, open: () => limiter.pace(body.open(), signal) } : body;
  }

  async #send(
    method: 'PUT' | 'POST',
    url: string,
    headers: Readonly<Record<string, string>>,
    body: OutgoingBody,
    { label, signal }: Sending,
  ): Promise<Dispatcher.ResponseData['headers']> {
    const { origin, path } = addressOf(url, label);
    for (let attempt = 1; ; attempt++) {
      let failure: Failure;
      let wait = 0;
      const outgoing = watched(this.#paced(body, signal));
      try {
        const reply = await this.#agent.request({
          origin,
          path,
          method,
          headers: { 'user-agent': 'procorefs', ...headers, 'content-length': String(body.size) },
          // undici accepts any iterable; its type names streams only.
          body: outgoing.chunks as unknown as Dispatcher.DispatchOptions['body'] & Uint8Array,
          ...(signal ? { signal } : {}),
        });
        const error = await firstBytes(reply);
        if (outgoing.failure) throw outgoing.failure;
        if (reply.statusCode < 300 && outgoing.sent === body.size) return reply.headers;
        const code = S3_ERROR.exec(error)?.[1] ?? '';
        failure = refusal(reply.statusCode, code, error, label, url);
        const { statusCode: status } = reply;
        if (!(status < 300 || status === 408 || status === 429 || status >= 500 || PASSING.test(code))) throw failure;
        wait = 1000 * (Number.parseInt(String(reply.headers['retry-after'] ?? ''), 10) || 0);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (outgoing.failure) throw outgoing.failure;
        if (isFailure(error)) throw error;
        failure = wasNotSent(error)
          ? new Failure('unreachable', { host: new URL(url).host }, error)
          : new Failure('upload-failed', { what: label }, error);
      }
      if (attempt >= ATTEMPTS || this.#isClosed) throw failure;
      await this.#clock.sleep(Math.min(LONGEST_WAIT_MS, Math.max(wait, pauseAfter(attempt, RETRY))), signal);
    }
  }
}

/** Counts the bytes read from a body, and records an error of the body separately from errors of the connection. */
function watched(body: OutgoingBody): { chunks: AsyncIterable<Uint8Array>; sent: number; failure: unknown } {
  const state = { chunks: iterate(), sent: 0, failure: undefined as unknown };
  async function* iterate(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body.open()) {
        state.sent += chunk.length;
        yield chunk;
      }
    } catch (error) {
      state.failure = error;
      throw error;
    }
  }
  return state;
}

/** The form of an object store's errors, with their code; nothing else of a reply is shown. */
const S3_ERROR =
  /^(?:\u00ef\u00bb\u00bf)?\s*(?:<\?xml[^>]{0,100}>\s*)?<Error>[\s\S]{0,2000}?<Code>([\w.]{1,64})<\/Code>/;

function refusal(status: number, code: string, body: string, label: string, url: string): Failure {
  const message = S3_ERROR.test(body) ? (/<Message>([^<]{1,200})/.exec(body)?.[1] ?? '') : '';
  const said = [code, message].filter((text) => text !== '').join(', ');
  const why =
    status < 300
      ? 'the storage answered before it had everything'
      : `${redactUrl(url)} answered ${status}${said === '' ? '' : ` (${oneLine(said, 200)})`}`;
  return new Failure('upload-failed', { what: label, status, why });
}

function addressOf(url: string, label: string): { origin: string; path: string } {
  try {
    const { origin, pathname, search, protocol } = new URL(url);
    if (protocol === 'https:' || protocol === 'http:') return { origin, path: pathname + search };
  } catch {
    // Falls through to the failure, which does not quote the text: it may be a secret.
  }
  throw new Failure('upload-failed', { what: label, why: 'its address is not an http(s) URL' });
}

/** The start of a reply's body, which is short or an error's; the rest is discarded. */
async function firstBytes(reply: Dispatcher.ResponseData): Promise<string> {
  let text = '';
  try {
    for await (const chunk of reply.body as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('latin1');
      if (text.length > 4096) break;
    }
  } catch {
    // The status has arrived, which is enough.
  }
  return text;
}

/** Escapes as browsers do: a name cannot end its quotation. */
const escapeName = (name: string): string =>
  name.replace(/["\r\n]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
