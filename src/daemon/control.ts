import { chmodSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Details, errnoOf, Failure, type FailureCode } from '../base/errors.js';
import type { Log } from '../base/log.js';

/** One line of JSON each way; the connection ends with the answer. */
interface ControlRequest {
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}
type ControlReply =
  | { readonly result: unknown }
  | { readonly failure: { readonly code: FailureCode; readonly details: Details; readonly why?: string } };

export type ControlMethods = Readonly<
  Record<string, (parameters: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<unknown>>
>;

/** The daemon's ear: a unix socket (0600) in the state folder, for the CLI and other processes of the same user. */
export class ControlServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, methods: ControlMethods, log: Log) {
    this.#path = path;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', (error) => log.debug({ error }, 'a control connection failed'));
      serve(socket, methods, log);
    });
  }

  /** The caller holds the project's lock, so a socket that is there already belongs to nobody. */
  static async open(path: string, methods: ControlMethods, log: Log): Promise<ControlServer> {
    rmSync(path, { force: true });
    const control = new ControlServer(path, methods, log);
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject);
      control.#server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    return control;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroySoon();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#path, { force: true });
  }
}

function serve(socket: Socket, methods: ControlMethods, log: Log): void {
  const gone = new AbortController();
  socket.on('close', () => gone.abort(new Failure('interrupted')));
  createInterface({ input: socket }).once('line', async (line) => {
    let reply: ControlReply;
    try {
      const { method, parameters } = JSON.parse(line) as ControlRequest;
      const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (!run) throw new Failure('usage', { what: `the daemon knows no ${method}` });
      reply = { result: (await run(parameters, gone.signal)) ?? null };
    } catch (error) {
      if (!(error instanceof Failure)) log.error({ error }, 'a control request failed');
      const failure = error instanceof Failure ? error : new Failure('internal', {}, error);
      const cause = failure.cause instanceof Error ? failure.cause.message : undefined;
      reply = { failure: { code: failure.code, details: failure.details, ...(cause ? { why: cause } : {}) } };
    }
    socket.end(`${JSON.stringify(reply)}\n`);
  });
}

/** Asks the daemon behind the socket. @throws the daemon's Failure, or `undefined` reached: see `isAbsent` */
export function askDaemon<T>(
  path: string,
  method: string,
  parameters: Readonly<Record<string, unknown>> = {},
  signal?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, ...(signal ? { signal } : {}) });
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => (answer += text));
    socket.on('error', reject);
    socket.on('end', () => {
      try {
        const reply = JSON.parse(answer) as ControlReply;
        if ('result' in reply) return resolve(reply.result as T);
        const { code, details, why } = reply.failure;
        reject(new Failure(code, why === undefined ? details : { why, ...details }));
      } catch (error) {
        reject(new Failure('internal', { why: 'the daemon ended before it answered' }, error));
      }
    });
    socket.write(`${JSON.stringify({ method, parameters } satisfies ControlRequest)}\n`);
  });
}

/** Whether `askDaemon` failed because no daemon listens there. */
export const isAbsent = (error: unknown): boolean => ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '');
