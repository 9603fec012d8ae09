import { chmodSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { systemClock } from '../base/clock.js';
import { errnoOf, Failure, type FailureJson, failureFromJson, failureToJson, isFailure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { isOrphaned, type MountRecord } from '../project/state-folder.js';

/** One line of JSON each way; the connection ends with the answer. If requested, lines of progress precede it. */
interface ControlRequest {
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly progress?: boolean;
}
type ControlReply = { readonly result: unknown } | { readonly failure: FailureJson };
interface ProgressLine {
  readonly progress: unknown;
}

/** The most characters of a request; far more than any request needs. */
const REQUEST_LIMIT = 8 << 20;

/** The longest timer in Node, milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds that an answer may take while the daemon shuts down. */
const ANSWER_LIMIT_MS = 5000;

/** Reports progress to the caller that waits for the answer. */
export type Tell = (progress: unknown) => void;

export type ControlMethods = Readonly<
  Record<string, (parameters: Readonly<Record<string, unknown>>, signal: AbortSignal, tell: Tell) => Promise<unknown>>
>;

/** The control socket of a daemon: a unix socket (0600) in the state folder, for processes of the same user. */
export class ControlServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  readonly #answering = new Set<Promise<void>>();

  private constructor(path: string, methods: ControlMethods, log: Log) {
    this.#path = path;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', (error) => log.debug({ error }, 'a control connection failed'));
      const answered = serve(socket, methods, log);
      this.#answering.add(answered);
      answered.finally(() => this.#answering.delete(answered));
    });
    // accept(2) may fail for lack of memory; the server goes on accepting later.
    this.#server.on('error', (error) => log.debug({ error }, 'no control connection can be taken'));
  }

  /**
   * The caller holds the project's lock, so an existing socket is stale and is removed.
   * @throws Failure `state-unwritable`
   */
  static async open(path: string, methods: ControlMethods, log: Log): Promise<ControlServer> {
    try {
      rmSync(path, { force: true });
      const control = new ControlServer(path, methods, log);
      await new Promise<void>((resolve, reject) => {
        control.#server.once('error', reject);
        control.#server.listen(path, resolve);
      });
      chmodSync(path, 0o600);
      return control;
    } catch (error) {
      throw new Failure('state-unwritable', { path }, error);
    }
  }

  /** Pending requests are answered first, since one of them may have caused the close. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const limit = new Promise<void>((resolve) => systemClock.after(ANSWER_LIMIT_MS, resolve));
    await Promise.race([Promise.all(this.#answering), limit]);
    for (const socket of this.#sockets) socket.destroySoon();
    await closed;
    rmSync(this.#path, { force: true });
  }
}

async function serve(socket: Socket, methods: ControlMethods, log: Log): Promise<void> {
  const gone = new AbortController();
  socket.on('close', () => gone.abort(new Failure('interrupted')));
  const line = await firstLine(socket);
  if (line === undefined) return;
  const tell: Tell = (progress) => {
    if (socket.writable) socket.write(`${JSON.stringify({ progress } satisfies ProgressLine)}\n`);
  };
  socket.end(`${JSON.stringify(await answer(line, methods, gone.signal, tell, log))}\n`);
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/**
 * Does not use `node:readline`: its reader emits the socket's errors as its own events, and an unhandled one ends the
 * process.
 * @returns undefined if the peer closes the connection before its line is complete
 */
function firstLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      const end = part.indexOf('\n');
      text += end < 0 ? part : part.slice(0, end);
      if (end >= 0) resolve(text);
      else if (text.length > REQUEST_LIMIT) socket.destroy();
    });
    socket.once('close', () => resolve(undefined));
  });
}

async function answer(
  line: string,
  methods: ControlMethods,
  signal: AbortSignal,
  tell: Tell,
  log: Log,
): Promise<ControlReply> {
  try {
    const { method, parameters, progress } = JSON.parse(line) as ControlRequest;
    const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (!run) throw new Failure('usage', { what: `the daemon knows no ${method}` });
    return { result: (await run(parameters, signal, progress === true ? tell : () => undefined)) ?? null };
  } catch (error) {
    if (!(error instanceof Failure)) log.error({ error }, 'a control request failed');
    return { failure: failureToJson(error) };
  }
}

/** Calls a method of the daemon. @throws the daemon's Failure, or the error of the socket: see `isAbsent` */
export function askDaemon<T>(
  path: string,
  method: string,
  parameters: Readonly<Record<string, unknown>> = {},
  signal?: AbortSignal,
  onProgress?: Tell,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, ...(signal ? { signal } : {}) });
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
      if (onProgress) answer = withoutProgress(answer, onProgress);
    });
    socket.on('error', reject);
    socket.on('end', () => {
      try {
        const reply = JSON.parse(answer) as ControlReply;
        if ('result' in reply) return resolve(reply.result as T);
        reject(failureFromJson(reply.failure));
      } catch (error) {
        reject(new Failure('internal', { why: 'the daemon ended before it answered' }, error));
      }
    });
    const progress = onProgress !== undefined;
    socket.write(`${JSON.stringify({ method, parameters, progress } satisfies ControlRequest)}\n`);
  });
}

/** Reports the lines of progress, which come first, and returns the rest. */
function withoutProgress(text: string, tell: Tell): string {
  const end = text.indexOf('\n');
  if (end < 0 || !text.startsWith('{"progress":')) return text;
  tell((JSON.parse(text.slice(0, end)) as ProgressLine).progress);
  return withoutProgress(text.slice(end + 1), tell);
}

/** As `askDaemon`, for the daemon of a mount. A killed daemon may leave a socket that never answers. */
export async function askMount<T>(
  record: MountRecord,
  method: string,
  parameters: Record<string, unknown> = {},
  signal?: AbortSignal,
  onProgress?: Tell,
): Promise<T> {
  if (isOrphaned(record)) throw Object.assign(new Error('the daemon was killed'), { code: 'ECONNREFUSED' });
  return askDaemon<T>(record.socket, method, parameters, signal, onProgress);
}

/** Milliseconds that a daemon may take to answer from memory. It takes longer only if it is stopped, or hangs. */
export const LOOK_LIMIT_MS = 10_000;

/** As `askMount`, with a time-out in milliseconds. @throws Failure `daemon-silent` */
export async function askWithin<T>(
  ms: number,
  record: MountRecord,
  method: string,
  parameters: Record<string, unknown> = {},
  onProgress?: Tell,
): Promise<T> {
  const limit = AbortSignal.timeout(Math.min(ms, LONGEST_TIMER_MS));
  try {
    return await askMount<T>(record, method, parameters, limit, onProgress);
  } catch (error) {
    if (!limit.aborted) throw error;
    const { mountpoint: path, pid } = record;
    throw new Failure('daemon-silent', { path, pid, seconds: ms / 1000 });
  }
}

/** Milliseconds between two attempts of `afterEnding`. */
const ENDING_PAUSE_MS = 200;

/** Repeats work that a shutdown of another daemon hinders, for at most `ms` milliseconds. */
export async function afterEnding<T>(ms: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const limit = systemClock.monotonic() + ms; ; await systemClock.sleep(ENDING_PAUSE_MS, signal))
    try {
      return await work();
    } catch (error) {
      const isEnding = isFailure(error, 'daemon-ending') || isFailure(error, 'already-owned');
      if (!isEnding || systemClock.monotonic() > limit) throw error;
    }
}

/** Whether `askDaemon` failed because no daemon listens there. */
export const isAbsent = (error: unknown): boolean => ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '');
