import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import type { Installation } from './mounted.js';
import { MAIN } from './mounted.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: replies are checked against their schemas
  readonly json: any;
}

export interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** As it goes onto the wire. */
  readonly raw?: string | Buffer;
}

/** Milliseconds that a service may take to end: its outboxes have a minute, and its mounts what they need. */
const LONGEST_END = 90_000;

/** `procorefs serve` in a process of its own. */
export class RunningService {
  readonly http: string;
  readonly child: ChildProcess;
  readonly #heard: { errors: string };

  private constructor(http: string, child: ChildProcess, heard: { errors: string }) {
    this.http = http;
    this.child = child;
    this.#heard = heard;
  }

  /** @param before a program, with its words, that becomes the service */
  static async start(
    t: Teardown,
    installation: Installation,
    words: readonly string[],
    { before = [], env: more = {} }: { readonly before?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<RunningService> {
    const { NODE_OPTIONS: _, ...env } = { ...installation.environment, ...more };
    const [program, ...rest] = [...before, process.execPath, MAIN, 'serve', ...words];
    const child = spawn(program!, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const heard = { errors: '' };
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (heard.errors += text));
    const line = await new Promise<string>((resolve, reject) => {
      let text = '';
      child.stdout!.setEncoding('utf8').on('data', (more: string) => {
        text += more;
        if (text.includes('\n')) resolve(text);
      });
      child.once('exit', () => reject(new Error(`serve ended: ${heard.errors}`)));
    });
    const service = new RunningService((JSON.parse(line) as { http: string }).http, child, heard);
    t.teardown(() => service.end('SIGTERM'));
    return service;
  }

  /** What it wrote to standard error. */
  get errors(): string {
    return this.#heard.errors;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    const killer = setTimeout(() => this.child.kill('SIGKILL'), LONGEST_END);
    await exit;
    clearTimeout(killer);
    return this.child.exitCode;
  }

  ask(path: string, { method = 'GET', headers = {}, body, raw }: Request = {}): Promise<Answer> {
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const at = this.http.startsWith('/') ? { socketPath: this.http } : addressOf(this.http);
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...at,
          path,
          method,
          agent: false,
          headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        },
        (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.once('error', reject);
          reply.once('end', () => resolve(answerOf(reply.statusCode ?? 0, reply.headers, Buffer.concat(chunks))));
        },
      );
      sent.once('error', reject);
      sent.end(text);
    });
  }

  /** The access token of a user. */
  async signIn(username: string, password: string): Promise<Answer> {
    return this.ask('/connect/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      raw: String(new URLSearchParams({ grant_type: 'password', username, password, scope: 'profile offline_access' })),
    });
  }
}

const addressOf = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) });

function answerOf(status: number, headers: Answer['headers'], body: Buffer): Answer {
  const text = body.toString('utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // A CSV, say.
  }
  return { status, headers, text, json };
}
